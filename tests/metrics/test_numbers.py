"""Metrics of numbers, images and sequences, against scikit-learn and plain loops."""

import math

import numpy as np
import pytest
from hypothesis import strategies as st

from dlrun.data.signature import Feature
from dlrun.metrics import METRICS
from tests.metrics.data import CLASSES, NUMBER, NUMBERS, PLACES, agrees, given, measure, reference, some_weights

sklearn = pytest.importorskip("sklearn.metrics", reason="compares with scikit-learn (the extra sklearn)")


@st.composite
def number_data(draw, columns=2):
    rows = draw(st.integers(1, 25))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    spread = draw(st.sampled_from([0, 1, 9]))
    truth = random.integers(-spread, spread + 1, (rows, columns)).astype(np.float32)
    weights = some_weights(random, rows) if draw(st.booleans()) else None
    return truth, truth + random.integers(-1, 2, (rows, columns)), weights


NUMBER_METRICS = {
    "mse": sklearn.mean_squared_error,
    "rmse": sklearn.root_mean_squared_error,
    "mae": sklearn.mean_absolute_error,
    "r2": sklearn.r2_score,
}


@pytest.mark.parametrize("name", NUMBER_METRICS)
@pytest.mark.parametrize("target", [NUMBER, NUMBERS])
@given(data=st.data(), parts=st.integers(1, 4))
def test_metrics_of_numbers(name, target, data, parts):
    truth, prediction, weights = data.draw(number_data(math.prod(target.shape)))
    found = measure(METRICS[name](), target, (truth.reshape(-1, *target.shape), prediction, weights), parts)
    agrees(found[name], reference(NUMBER_METRICS[name], truth, prediction, sample_weight=weights))


def test_r2_keeps_its_digits_far_from_zero():
    random = np.random.default_rng(0)
    truth = 1e8 + random.normal(size=(1000, 1))
    prediction = truth + 0.1 * random.normal(size=(1000, 1))
    found = measure(METRICS["r2"](), NUMBER, (truth[:, 0], prediction, None), 40)
    assert found["r2"] == pytest.approx(sklearn.r2_score(truth, prediction), rel=1e-8)


def test_r2_of_a_target_that_never_changes():
    truth = np.full(30, 0.1)
    assert measure(METRICS["r2"](), NUMBER, (truth, truth[:, None], None), 7) == {"r2": 1.0}
    assert measure(METRICS["r2"](), NUMBER, (truth, truth[:, None] + 1e-3, None), 7) == {"r2": 0.0}


def test_images_count_as_rows_of_numbers():
    image = Feature("image", (4, 4, 1), "uint8", "image")
    random = np.random.default_rng(0)
    truth, prediction = random.random((6, 4, 4, 1)), random.random((6, 16))
    found = measure(METRICS["mse"](), image, (truth, prediction, None), 2)
    assert found["mse"] == pytest.approx(np.mean((truth.reshape(6, 16) - prediction) ** 2))


def test_places_of_a_sequence_count_as_rows_with_the_sequence_s_weight():
    random = np.random.default_rng(0)
    truth, prediction = random.integers(0, 4, (6, 5)), random.random((6, 5, 4))
    weights = np.arange(6, dtype=np.float32)
    right = truth == prediction.argmax(-1)
    expected = np.average(right.mean(axis=1), weights=weights)
    assert measure(METRICS["accuracy"](), PLACES, (truth, prediction, weights), 3)["accuracy"] == pytest.approx(
        expected
    )


def test_places_without_a_label_or_probabilities_are_no_rows():
    truth = np.array([[0, 1, 2, -1, -1], [1, 1, 0, 0, 2]])
    scores = np.eye(4)[[[0, 1, 0, 2, 2], [1, 0, 0, 0, 2]]]
    scores[1, 3:] = 0
    for name, expected in (("accuracy", 4 / 6), ("balanced_accuracy", (1 + 2 / 3 + 0) / 3)):
        assert measure(METRICS[name](), PLACES, (truth, scores, None), 2)[name] == pytest.approx(expected)


def test_perplexity_is_the_exponential_of_the_mean_surprise():
    truth, scores = np.array([0, 2]), np.array([[0.5, 0.25, 0.25, 0], [0.1, 0.1, 0.8, 0]])
    found = measure(METRICS["perplexity"](), CLASSES, (truth, scores, np.array([1, 3])), 3)["perplexity"]
    assert found == pytest.approx(np.exp(-(np.log(0.5) + 3 * np.log(0.8)) / 4))
    even = np.full((4, 5, 4), 1 / 4)
    words = np.random.default_rng(0).integers(0, 4, (4, 5))
    assert measure(METRICS["perplexity"](), PLACES, (words, even, None), 3)["perplexity"] == pytest.approx(4)
    assert measure(METRICS["bits_per_token"](), PLACES, (words, even, None), 3)["bits_per_token"] == pytest.approx(2)
    assert np.isfinite(measure(METRICS["perplexity"](), CLASSES, (truth, np.eye(4)[[1, 1]], None), 3)["perplexity"])
