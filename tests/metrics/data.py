"""Made-up targets and predictions, and what metrics are measured and compared with."""

import warnings

import hypothesis
import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from dlrun.data.signature import Feature
from dlrun.metrics import scalars

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
