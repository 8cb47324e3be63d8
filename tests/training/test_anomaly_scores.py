"""Scores of rows, thresholds, alarms and their worth, against loops and counts by hand."""

import numpy as np
import pytest
from pydantic import ValidationError

from dlrun.config.anomaly_config import AnomalyConfig, AnomalyLabels, AnomalyThreshold
from dlrun.data.dataset import Split
from dlrun.data.signature import Feature
from dlrun.errors import DataError
from dlrun.training.anomaly_scores import (
    best_f1,
    choose_threshold,
    row_rates,
    row_scores,
    runs_of,
    sample_errors,
    smoothed,
    window_rates,
)

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("score", ["mse", "mae", "max"])
def test_errors_of_a_series_are_those_of_each_row_ahead(score):
    truth, given = RANDOM.standard_normal((2, 5, 4, 3))
    split = Split({}, {"y": truth}, None, np.arange(5))
    errors = sample_errors(AnomalyConfig(score=score), split, given, Feature("y", (4, 3), "float32"), series=True)
    for window, time in np.ndindex(5, 4):
        off = [abs(given[window, time, column] - truth[window, time, column]) for column in range(3)]
        wanted = {"mse": sum(x * x for x in off) / 3, "mae": sum(off) / 3, "max": max(off)}[score]
        assert errors[window, time] == pytest.approx(wanted)


def test_errors_of_single_rows_are_over_all_that_they_hold():
    """Stored bytes count as what the network sees of them."""
    pixels = RANDOM.integers(0, 256, (3, 2, 2, 1)).astype(np.uint8)
    target = Feature("image", (2, 2, 1), "uint8", scale=(1 / 255,), offset=(0.5,))
    given = RANDOM.standard_normal((3, 4))
    errors = sample_errors(AnomalyConfig(), Split({}, {"image": pixels}, None, np.arange(3)), given, target, False)
    wanted = ((given - (pixels.reshape(3, 4) / 255 + 0.5)) ** 2).mean(axis=1)
    np.testing.assert_allclose(errors, wanted[:, None])


@pytest.mark.parametrize(("overlap", "fold"), [("mean", np.mean), ("min", np.min), ("max", np.max)])
def test_a_row_s_score_is_of_all_windows_that_concern_it(overlap, fold):
    errors, index = RANDOM.uniform(size=(6, 4)), np.array([10, 12, 14, 16, 18, 30])
    scores = row_scores(AnomalyConfig(overlap=overlap), errors, index)
    of_row = {}
    for window, time in np.ndindex(6, 4):
        of_row.setdefault(int(index[window]) + time, []).append(errors[window, time])
    assert scores.rows.tolist() == sorted(of_row)
    np.testing.assert_allclose(scores.values, [fold(of_row[row]) for row in sorted(of_row)])


def test_smoothing_is_the_mean_of_the_last_rows():
    values = RANDOM.uniform(size=20)
    wanted = [values[max(0, i - 4) : i + 1].mean() for i in range(20)]
    np.testing.assert_allclose(smoothed(values, 5), wanted)
    assert smoothed(values, 1) is values


def threshold(labels=None, scores=None, **fields):
    scores = np.arange(1.0, 101) if scores is None else scores
    return choose_threshold(AnomalyThreshold(**fields), scores, labels)


def test_thresholds():
    assert threshold(value=0.5) == (50.5, "the 0.5 quantile of the 100 validation rows")
    assert threshold(value=1.0, factor=2.0) == (200.0, "the largest of the 100 validation rows, times 2")
    scores = np.arange(1.0, 101)
    assert threshold(type="deviation")[0] == pytest.approx(scores.mean() + 3 * scores.std())
    assert threshold(type="fixed", value=7.0) == (7.0, "as given")


def test_the_best_f1_is_found():
    labels = RANDOM.uniform(size=60) < 0.3
    scores = np.round(RANDOM.uniform(size=60) + 0.5 * labels, 1)  # many are equal
    found, f1 = best_f1(scores, labels)

    def f1_of(limit):
        flags = scores > limit
        return 2 * (flags & labels).sum() / (flags.sum() + labels.sum())

    assert f1 == pytest.approx(f1_of(found))
    assert f1 == pytest.approx(max(f1_of(limit) for limit in [-1, *np.unique(scores)]))
    value, chosen = threshold(labels, scores, type="best_f1")
    assert value == found
    assert f"the best F1, {f1:.3f}" in chosen


@pytest.mark.parametrize("labels", [None, np.zeros(100, bool)])
def test_the_best_f1_needs_anomalies(labels):
    with pytest.raises(DataError, match="none of the validation rows is labelled"):
        threshold(labels, type="best_f1")


def test_alarms_are_stretches_of_flagged_rows():
    flags = np.array([1, 1, 0, 0, 1, 0, 1, 0], bool)
    rows = np.array([3, 4, 5, 6, 7, 8, 9, 20])
    assert runs_of(flags, rows) == [(0, 1), (4, 4), (6, 6)]
    assert runs_of(flags, rows, gap=1) == [(0, 1), (4, 6)]
    assert runs_of(flags, rows, gap=2) == [(0, 6)]
    assert runs_of(np.zeros(8, bool), rows) == []


def test_rates_are_counts():
    flags = np.array([0, 1, 1, 0, 0, 1, 0, 1], bool)
    windows = [np.array([0, 0, 1, 1, 0, 0, 0, 0], bool), np.array([0, 0, 0, 0, 0, 0, 1, 0], bool)]
    alarms = runs_of(flags, np.arange(8))
    assert window_rates(alarms, flags, windows) == {
        "windows": 2, "found": 1, "missed": 1, "alarms": 3, "false_alarms": 2, "precision": 1 / 3, "recall": 0.5,
    }  # fmt: skip
    rates = row_rates(flags, windows[0] | windows[1])
    assert rates == {
        "flagged": 4, "anomalous": 3, "flagged_and_anomalous": 1, "precision": 0.25, "recall": 1 / 3, "f1": 2 / 7,
    }  # fmt: skip
    nothing = np.zeros(8, bool)
    assert row_rates(nothing, nothing)["precision"] is None
    assert window_rates([], nothing, [])["recall"] is None


def test_an_alarm_is_false_unless_a_flagged_row_of_it_is_in_a_window():
    flags, inside = np.array([1, 0, 0, 1], bool), np.array([0, 1, 1, 0], bool)
    alarms = runs_of(flags, np.arange(4), gap=2)
    assert window_rates(alarms, flags, [inside])["false_alarms"] == 1


@pytest.mark.parametrize(
    ("spec", "fields", "message"),
    [
        (AnomalyThreshold, {"value": 1.5}, "a part of the rows, from 0 to 1"),
        (AnomalyThreshold, {"type": "best_f1", "value": 1.0}, "takes no value"),
        (AnomalyThreshold, {"type": "fixed"}, "needs its value"),
        (AnomalyLabels, {}, "got none"),
        (AnomalyLabels, {"path": "a.json", "column": "b"}, "got path and column"),
        (AnomalyLabels, {"column": "b", "key": "x"}, "key goes with a path"),
    ],
)
def test_settings_that_make_no_sense(spec, fields, message):
    with pytest.raises(ValidationError, match=message):
        spec(**fields)
