import math
import warnings

import hypothesis
import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st

from dlrun.data.signature import Feature
from dlrun.errors import ShapeError, UsageError
from dlrun.metrics import METRICS, direction_of, scalars

sklearn = pytest.importorskip("sklearn.metrics", reason="compares with scikit-learn (the extra sklearn)")

LETTERS = ("a", "b", "c", "d")
CLASSES = Feature("kind", (), "int32", "category", classes=LETTERS)
TWO = Feature("sick", (), "int32", "category", classes=("no", "yes"))
TAGS = Feature("tags", (3,), "float32", "labels", classes=("x", "y", "z"))
NUMBER = Feature("price", (), "float32")
NUMBERS = Feature("place", (2,), "float32")
PLACES = Feature("tokens", (5,), "int32", "category", classes=LETTERS)

LEVELS = np.array([0.0, 0.1, 0.2, 0.2, 0.5, 0.5, 0.7, 1.0])
"""Few levels of probability, so that equal scores are common."""


def given(*arguments, **named):
    return lambda test: settings(max_examples=40, deadline=None)(hypothesis.given(*arguments, **named)(test))


def some_weights(random, rows):
    """Small whole weights, many of them zero, never all: scikit-learn refuses that."""
    weights = random.integers(0, 4, rows).astype(np.float32)
    weights[random.integers(rows)] = 1
    return weights


@st.composite
def class_data(draw, classes=4):
    """Labels (some classes absent), probabilities with ties, weights (some zero) or None."""
    rows = draw(st.integers(1, 25))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    present = random.permutation(classes)[: draw(st.integers(1, classes))]
    weights = some_weights(random, rows) if draw(st.booleans()) else None
    return random.choice(present, rows), random.choice(LEVELS, (rows, classes)), weights


@st.composite
def tag_data(draw):
    rows = draw(st.integers(2, 25))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    truth = random.random((rows, 3)) < draw(st.sampled_from([0.0, 0.2, 0.6, 1.0]))
    weights = some_weights(random, rows) if draw(st.booleans()) else None
    return truth.astype(np.float32), random.choice(LEVELS, (rows, 3)), weights


def single_output(data):
    labels, probabilities, weights = data
    return labels, probabilities[:, 1:], weights


def measure(metric, target, data, parts=1):
    """The metric's result over the rows, given in several batches."""
    y_true, y_pred, weights = data
    tracker = metric.start(target, y_pred.shape[-1] if y_pred.ndim > 1 else 1)
    for part in np.array_split(np.arange(len(y_true)), parts):
        tracker.update(y_true[part], y_pred[part], None if weights is None else weights[part])
    result = tracker.result()
    assert tuple(scalars(result)) == tracker.names()
    return result


def reference(function, *arguments, **options):
    """scikit-learn's value, without its warnings about edge cases."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return function(*arguments, **options)


def agrees(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


QUOTIENTS = ["precision", "recall", "f1"]


def sklearn_quotient(name):
    return getattr(sklearn, f"{name}_score")


@given(class_data(), st.integers(1, 4))
def test_accuracy(data, parts):
    labels, probabilities, weights = data
    found = measure(METRICS["accuracy"](), CLASSES, data, parts)
    agrees(found["accuracy"], reference(sklearn.accuracy_score, labels, probabilities.argmax(1), sample_weight=weights))


@given(class_data(2), st.sampled_from([0.1, 0.5, 0.65]))
def test_accuracy_with_a_threshold(data, threshold):
    labels, scores, weights = data = single_output(data)
    found = measure(METRICS["accuracy"](threshold=threshold), TWO, data, 2)
    expected = reference(sklearn.accuracy_score, labels, scores[:, 0] > threshold, sample_weight=weights)
    agrees(found["accuracy"], expected)


@given(tag_data())
def test_accuracy_of_several_labels(data):
    truth, scores, weights = data
    found = measure(METRICS["accuracy"](), TAGS, data, 2)
    agrees(found["accuracy"], reference(sklearn.accuracy_score, truth, scores > 0.5, sample_weight=weights))


@given(class_data(), st.integers(1, 3))
def test_top_k_accuracy(data, k):
    labels, probabilities, weights = data
    found = measure(METRICS["top_k_accuracy"](k=k), CLASSES, data, 3)
    expected = reference(
        sklearn.top_k_accuracy_score, labels, probabilities, k=k, sample_weight=weights, labels=range(4)
    )
    agrees(found[f"top_{k}_accuracy"], expected)


@given(class_data())
def test_balanced_accuracy(data):
    labels, probabilities, weights = data
    found = measure(METRICS["balanced_accuracy"](), CLASSES, data, 3)
    predicted = probabilities.argmax(1)
    agrees(
        found["balanced_accuracy"], reference(sklearn.balanced_accuracy_score, labels, predicted, sample_weight=weights)
    )


@pytest.mark.parametrize("name", QUOTIENTS)
@given(
    class_data(),
    st.sampled_from(["macro", "micro", "weighted", "per_class"]),
    st.sampled_from([0, 1]),
    st.integers(1, 4),
)
def test_quotients_of_classes(name, data, average, zero_division, parts):
    labels, probabilities, weights = data
    found = measure(METRICS[name](average=average, zero_division=zero_division), CLASSES, data, parts)
    options = {"labels": range(4), "average": None} if average == "per_class" else {"average": average}
    expected = reference(
        sklearn_quotient(name),
        labels,
        probabilities.argmax(1),
        sample_weight=weights,
        zero_division=zero_division,
        **options,
    )
    keys = [f"{name}/{letter}" for letter in LETTERS] if average == "per_class" else [name]
    assert list(found) == keys
    agrees([found[key] for key in keys], np.atleast_1d(expected))


@pytest.mark.parametrize("name", QUOTIENTS)
@given(tag_data(), st.sampled_from(["macro", "micro", "weighted", "per_class"]), st.sampled_from([0, 1]))
def test_quotients_of_several_labels(name, data, average, zero_division):
    truth, scores, weights = data
    found = measure(METRICS[name](average=average, zero_division=zero_division), TAGS, data, 2)
    expected = reference(
        sklearn_quotient(name),
        truth,
        scores > 0.5,
        sample_weight=weights,
        zero_division=zero_division,
        average=None if average == "per_class" else average,
    )
    agrees(list(found.values()), np.atleast_1d(expected))


@pytest.mark.parametrize("name", QUOTIENTS)
@pytest.mark.parametrize("outputs", [1, 2])
@given(class_data(2), st.sampled_from(["no", "yes", None]))
def test_quotients_of_two_classes(name, outputs, data, positive):
    labels, probabilities, weights = data = single_output(data) if outputs == 1 else data
    found = measure(METRICS[name](positive_class=positive), TWO, data, 2)
    predicted = probabilities[:, 0] > 0.5 if outputs == 1 else probabilities.argmax(1)
    # labels= names both classes, for scikit-learn refuses a pos_label that doesn't occur
    expected = reference(sklearn_quotient(name), labels, predicted, labels=[0, 1], average=None, sample_weight=weights)[
        0 if positive == "no" else 1
    ]
    agrees(found[name], expected)


@given(class_data(), st.sampled_from(["macro", "weighted", "micro", "per_class"]), st.integers(1, 3))
def test_auc_of_classes(data, average, parts):
    labels, probabilities, weights = data
    probabilities = probabilities + 0.01
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    found = measure(METRICS["auc"](average=average), CLASSES, (labels, probabilities, weights), parts)
    expected = reference(
        sklearn.roc_auc_score,
        labels,
        probabilities,
        multi_class="ovr",
        average=None if average == "per_class" else average,
        labels=range(4),
        sample_weight=weights,
    )
    agrees(list(found.values()), np.atleast_1d(expected))


@pytest.mark.parametrize(
    ("name", "function"), [("auc", "roc_auc_score"), ("average_precision", "average_precision_score")]
)
@given(tag_data(), st.sampled_from(["macro", "weighted", "micro", "per_class"]))
def test_rankings_of_several_labels(name, function, data, average):
    truth, scores, weights = data
    found = measure(METRICS[name](average=average), TAGS, data, 2)
    expected = reference(
        getattr(sklearn, function),
        truth,
        scores,
        average=None if average == "per_class" else average,
        sample_weight=weights,
    )
    agrees(list(found.values()), np.atleast_1d(expected))


@pytest.mark.parametrize(
    ("name", "function"), [("auc", "roc_auc_score"), ("average_precision", "average_precision_score")]
)
@pytest.mark.parametrize("outputs", [1, 2])
@given(class_data(2))
def test_rankings_of_two_classes(name, function, outputs, data):
    labels, probabilities, weights = data = single_output(data) if outputs == 1 else data
    found = measure(METRICS[name](), TWO, data, 2)
    expected = reference(getattr(sklearn, function), labels, probabilities[:, -1], sample_weight=weights)
    if len(set(labels)) == 1 and name == "average_precision":
        expected = float(labels[0])  # scikit-learn takes the only class for the positive one, whichever it is
    agrees(found[name], expected)


@given(class_data())
def test_average_precision_of_classes(data):
    labels, probabilities, weights = data
    found = measure(METRICS["average_precision"](average="per_class"), CLASSES, data, 2)
    expected = [
        reference(sklearn.average_precision_score, labels == k, probabilities[:, k], sample_weight=weights)
        for k in range(4)
    ]
    agrees(list(found.values()), expected)


@given(class_data(), st.sampled_from([None, "true", "pred", "all"]), st.integers(1, 3))
def test_confusion_matrix(data, normalize, parts):
    labels, probabilities, weights = data
    found = measure(METRICS["confusion_matrix"](normalize=normalize), CLASSES, data, parts)
    expected = reference(
        sklearn.confusion_matrix,
        labels,
        probabilities.argmax(1),
        labels=range(4),
        sample_weight=weights,
        normalize=normalize,
    )
    agrees(found["confusion_matrix"], expected)
    assert scalars(found) == {}


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
