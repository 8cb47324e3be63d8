"""Metrics of classes and labels, against scikit-learn."""

import numpy as np
import pytest
from hypothesis import strategies as st

from dlrun.metrics import METRICS, scalars
from tests.metrics.data import (
    CLASSES,
    LETTERS,
    PLACES,
    TAGS,
    TWO,
    agrees,
    class_data,
    given,
    measure,
    reference,
    tag_data,
)

sklearn = pytest.importorskip("sklearn.metrics", reason="compares with scikit-learn (the extra sklearn)")


def single_output(data):
    labels, probabilities, weights = data
    return labels, probabilities[:, 1:], weights


QUOTIENTS = ["precision", "recall", "f1"]


def sklearn_quotient(name):
    return getattr(sklearn, f"{name}_score")


@given(class_data(), st.integers(1, 4))
def test_accuracy(data, parts):
    labels, probabilities, weights = data
    found = measure(METRICS["accuracy"](), CLASSES, data, parts)
    agrees(found["accuracy"], reference(sklearn.accuracy_score, labels, probabilities.argmax(1), sample_weight=weights))


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 3))
def test_accuracy_of_sequences_leaves_out_padding_and_places_without_a_label(seed, rows, parts):
    random = np.random.default_rng(seed)
    shape = (rows, *PLACES.shape)
    labels = random.integers(-1, len(LETTERS), shape)
    probabilities = random.choice([0.0, 0.0, 0.25, 0.5], (*shape, len(LETTERS)))
    weights = random.integers(1, 4, rows).astype(float)
    counted = [(n, t) for n in range(rows) for t in range(shape[1]) if labels[n, t] >= 0 and any(probabilities[n, t])]
    right = sum(weights[n] for n, t in counted if labels[n, t] == probabilities[n, t].argmax())
    found = measure(METRICS["accuracy"](), PLACES, (labels, probabilities, weights), parts)
    total = sum(weights[n] for n, _ in counted)
    agrees(found["accuracy"], right / total if total else np.nan)


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
