"""What each metric fits, what it is called, and what is said of the rest."""

import math

import numpy as np
import pytest

from dlrun.errors import ShapeError, UsageError
from dlrun.metrics import METRICS, direction_of, scalars
from tests.metrics.data import CLASSES, LETTERS, NUMBER, NUMBERS, TAGS, TWO


def sample(target, outputs, rows):
    random = np.random.default_rng(0)
    if target is TAGS:
        return random.integers(0, 2, (rows, 3)), random.random((rows, 3))
    if target.classes:
        return random.integers(0, len(target.classes), rows), random.random((rows, outputs))
    return random.random((rows, *target.shape)), random.random((rows, outputs))


FITS = {
    "accuracy": [(CLASSES, 4), (TWO, 1), (TWO, 2), (TAGS, 3)],
    "top_k_accuracy": [(CLASSES, 4)],
    "balanced_accuracy": [(CLASSES, 4), (TWO, 1), (TWO, 2)],
    "precision": [(CLASSES, 4), (TWO, 1), (TWO, 2), (TAGS, 3)],
    "recall": [(CLASSES, 4), (TWO, 1), (TWO, 2), (TAGS, 3)],
    "f1": [(CLASSES, 4), (TWO, 1), (TWO, 2), (TAGS, 3)],
    "auc": [(CLASSES, 4), (TWO, 1), (TWO, 2), (TAGS, 3)],
    "average_precision": [(CLASSES, 4), (TWO, 1), (TWO, 2), (TAGS, 3)],
    "confusion_matrix": [(CLASSES, 4), (TWO, 1), (TWO, 2)],
    "perplexity": [(CLASSES, 4), (TWO, 2)],
    "bits_per_token": [(CLASSES, 4), (TWO, 2)],
    "recall_at_k": [],
    "ndcg_at_k": [],
    "mse": [(NUMBER, 1), (NUMBERS, 2)],
    "rmse": [(NUMBER, 1), (NUMBERS, 2)],
    "mae": [(NUMBER, 1), (NUMBERS, 2)],
    "r2": [(NUMBER, 1), (NUMBERS, 2)],
}


def default(name):
    return METRICS[name](**({"k": 2} if name == "top_k_accuracy" else {}))


@pytest.mark.parametrize("name", METRICS.names)
@pytest.mark.parametrize(
    ("target", "outputs"), [(CLASSES, 4), (TWO, 1), (TWO, 2), (TAGS, 3), (NUMBER, 1), (NUMBERS, 2)]
)
def test_each_metric_takes_what_fits_and_refuses_the_rest(name, target, outputs):
    metric = default(name)
    if (target, outputs) not in FITS[name] and (name, outputs) != ("top_k_accuracy", 2):
        with pytest.raises(ShapeError, match=f"{name} measures .* but the target '{target.name}' asks for"):
            metric.check(target, outputs)
        return
    if (name, outputs) == ("top_k_accuracy", 2):
        with pytest.raises(ShapeError, match="got 2"):
            METRICS[name](k=2).check(TWO, 2)
        return
    metric.check(target, outputs)
    tracker = metric.start(target, outputs)
    assert metric.names(target, outputs) == tracker.names()
    assert all(math.isnan(value) for value in scalars(tracker.result()).values())
    tracker.update(*sample(target, outputs, 0))
    assert all(math.isnan(value) for value in scalars(tracker.result()).values())
    tracker.update(*sample(target, outputs, 20))
    assert all(math.isfinite(value) for value in scalars(tracker.result()).values())


@pytest.mark.parametrize(
    ("metric", "target", "outputs", "message", "field"),
    [
        (METRICS["accuracy"](), CLASSES, 5, "'kind' has 4 classes, the network 5 outputs", None),
        (METRICS["accuracy"](), CLASSES, 1, "can't tell 4 classes of 'kind' by a single output", None),
        (METRICS["top_k_accuracy"](), CLASSES, 4, "got 5, and 'kind' has 4 classes", "k"),
        (METRICS["f1"](average="binary"), CLASSES, 4, "needs a target of two classes", "average"),
        (METRICS["f1"](positive_class="maybe"), TWO, 2, "has no class 'maybe'", "positive_class"),
        (METRICS["f1"](positive_class="a"), CLASSES, 4, "has no meaning with average 'macro'", "positive_class"),
    ],
)
def test_misfits_say_why_and_where(metric, target, outputs, message, field):
    with pytest.raises(ShapeError, match=message) as caught:
        metric.check(target, outputs)
    assert caught.value.field == field


def test_a_wrong_class_index_is_no_silent_miscount():
    tracker = METRICS["f1"]().start(CLASSES, 4)
    for wrong in (-1, 4):
        with pytest.raises(ValueError, match="class indices must be from 0 to 3"):
            tracker.update(np.array([wrong]), np.ones((1, 4)))


@pytest.mark.parametrize("name", [name for name in METRICS.names if FITS[name]])
def test_without_any_weight_nothing_is_claimed(name):
    target, outputs = FITS[name][0]
    tracker = default(name).start(target, outputs)
    tracker.update(*sample(target, outputs, 5), np.zeros(5, np.float32))
    for value in scalars(tracker.result()).values():
        assert math.isnan(value) or value == 0


def test_nan_scores_have_no_rank():
    tracker = METRICS["auc"]().start(TWO, 1)
    tracker.update(np.array([0, 1, 1]), np.array([0.1, np.nan, 0.7]))
    assert math.isnan(tracker.result()["auc"])


def test_rankings_keep_no_view_of_the_caller_s_array():
    tracker = METRICS["auc"]().start(TWO, 2)
    scores = np.array([[0.8, 0.2], [0.1, 0.9]])
    tracker.update(np.array([0, 1]), scores)
    scores[:] = 0.5
    assert tracker.result() == {"auc": 1.0}


def test_a_name_of_its_own():
    metric = METRICS["f1"](name="by_class", average="per_class")
    assert metric.names(CLASSES, 4) == tuple(f"by_class/{letter}" for letter in LETTERS)
    assert direction_of("validation/by_class/a", [metric]) == "max"


@pytest.mark.parametrize(
    ("monitor", "direction"),
    [
        ("validation/loss", "min"),
        ("train/accuracy", "max"),
        ("accuracy", "max"),
        ("validation/top_3_accuracy", "max"),
        ("validation/f1/cat/dog", "max"),
        ("validation/rmse", "min"),
        ("validation/mean_squared_error", "min"),
        ("validation/r2", "max"),
    ],
)
def test_direction_of_a_monitor(monitor, direction):
    assert direction_of(monitor) == direction


@pytest.mark.parametrize("monitor", ["validation/acuracy", "validation/confusion_matrix", "seconds", ""])
def test_what_cannot_be_monitored(monitor):
    with pytest.raises(UsageError, match="can't monitor") as caught:
        direction_of(monitor)
    if "acuracy" in monitor:
        assert caught.value.help == "did you mean 'validation/accuracy'?"


def test_keras_names():
    for name, type_name in {
        "categorical_accuracy": "accuracy",
        "sparse_categorical_accuracy": "accuracy",
        "mean_squared_error": "mse",
        "mean_absolute_error": "mae",
        "root_mean_squared_error": "rmse",
    }.items():
        assert METRICS[name].type_name() == type_name
