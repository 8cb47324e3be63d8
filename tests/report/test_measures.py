"""What a report counts: confusion, calibration, residuals, gradients."""

import numpy as np
import pytest

from dlrun.config.load import load_text
from dlrun.data.load import load
from dlrun.report.classes import confusion, label_chart, reliability, shares_of
from dlrun.report.layers import gradients
from dlrun.report.numbers import error_rows, histogram, number_blocks
from dlrun.training.session import Session


def test_confusion_has_the_true_classes_in_rows():
    matrix = confusion(np.array([0, 0, 1, 2]), np.array([0, 2, 1, 2]), 3)
    np.testing.assert_array_equal(matrix, [[1, 0, 1], [0, 1, 0], [0, 0, 1]])


def test_one_output_is_the_probability_of_the_second_class():
    np.testing.assert_allclose(shares_of(np.array([[0.25], [0.5]])), [[0.75, 0.25], [0.5, 0.5]])
    np.testing.assert_allclose(shares_of(np.array([0.25])), [[0.75, 0.25]])


def test_calibration_is_the_mean_gap_of_the_bins_weighted_by_their_rows():
    confidence = np.array([0.95, 0.85, 0.65, 0.65])
    right = np.array([1, 0, 1, 1])
    found = reliability(confidence, right, bins=5)
    np.testing.assert_array_equal(found.rows, [0, 0, 0, 2, 2])
    np.testing.assert_allclose(found.right[3:], [1.0, 0.5])
    np.testing.assert_allclose(found.confidence[3:], [0.65, 0.9])
    assert found.error == pytest.approx(0.5 * 0.35 + 0.5 * 0.4)


def test_probabilities_on_edges_belong_to_the_bin_below_and_none_is_lost():
    found = reliability(np.array([0.0, 0.2, 1.0]), np.array([0, 0, 1]), bins=5)
    np.testing.assert_array_equal(found.rows, [2, 0, 0, 0, 1])


def test_a_well_calibrated_network_has_a_small_error():
    random = np.random.default_rng(0)
    confidence = random.uniform(0.5, 1.0, 20_000)
    assert reliability(confidence, random.uniform(size=20_000) < confidence).error < 0.02
    assert reliability(confidence, np.zeros(20_000)).error > 0.7


def test_labels_are_calibrated_together():
    chart = label_chart(np.array([[0, 1], [1, 1]]), np.array([[0.1, 0.9], [0.9, 0.9]]))
    assert "0.1000" in chart.caption


def test_errors_by_column():
    truth, said = np.array([[1.0, 5.0], [2.0, 5.0], [3.0, 5.0]]), np.array([[2.0, 5.0], [2.0, 5.0], [3.0, 8.0]])
    rows = error_rows(truth, said, ("a", "b"))
    assert rows[0] == ["a", pytest.approx(3**-0.5), pytest.approx(1 / 3), pytest.approx(1 / 3), pytest.approx(0.5)]
    assert np.isnan(rows[1][-1])


def test_charts_of_numbers_have_a_view_for_each_column_and_few_points():
    random = np.random.default_rng(0)
    truth = random.normal(size=(20_000, 3))
    scatter, residuals, table = number_blocks(truth, truth + 1, ("a", "b", "c"))
    assert [view.name for view in scatter.views] == [view.name for view in residuals.views] == ["a", "b", "c"]
    assert all(len(view.traces[0]["x"]) == 2000 for view in scatter.views)
    assert "2,000 of 20,000 rows" in scatter.caption
    assert len(table.rows) == 3


def test_histograms_count_finite_values():
    trace = histogram(np.array([0.0, 1.0, 1.0, np.nan, np.inf]), bins=2)
    np.testing.assert_array_equal(trace["y"], [1, 2])
    assert sum(histogram(np.array([np.nan]))["y"]) == 0
    assert sum(histogram(np.array([3.0, 3.0 + 1e-15, 3.0]))["y"]) == 3


LINE = """
data:
  source: {type: synthetic, generator: line, rows: 200, noise: 0.0}
  inputs: {x: {columns: [x]}}
  target: {column: y}
model: {layers: [{type: dense, units: 1, name: out}]}
loss: mse
optimizer: {type: sgd, learning_rate: 0.1}
"""


def test_gradients_are_those_of_the_mean_loss():
    loaded = load_text(LINE)
    dataset = load(loaded.config.data, 0)
    session = Session(loaded.config, loaded.layer_paths, dataset)
    found = gradients(session, {"out/kernel": np.array([[3.0]]), "out/bias": np.array([0.5])})
    split = session.split("train")
    x, y = (
        np.asarray(each[name], np.float64).ravel() for each, name in ((split.inputs, "x"), (split.targets, "target"))
    )
    error = 2 * (3.0 * x + 0.5 - y)
    assert found["out/kernel"][0] == pytest.approx((error * x).mean(), rel=1e-4)
    assert found["out/bias"][0] == pytest.approx(error.mean(), rel=1e-4)
