"""Which kind of question a target asks, and the rows of a batch in the form that the metrics count."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal

import numpy as np

from dlrun.data.signature import Feature
from dlrun.errors import ShapeError
from dlrun.metrics.base import Array, Floats, weights_or_ones

Kind = Literal["classes", "binary", "multi_label", "numbers"]

_ASKS = {
    "classes": "one class of several",
    "binary": "one of two classes with a single output",
    "multi_label": "several labels a row",
    "numbers": "numbers",
}


@dataclass(frozen=True)
class Problem:
    """What a target asks.

    classes      one class of several: class indices, a probability for each class
    binary       one of two classes: class indices, the probability of class 1
    multi_label  several labels a row: (k,) of 0 and 1, a probability for each label
    numbers      numbers of any shape

    `names` are those of the classes or labels, in index order; none for numbers.
    """

    kind: Kind
    names: tuple[str, ...] = ()

    @property
    def positive(self) -> int | None:
        """The index of the positive class where there are two."""
        return 1 if self.kind in ("classes", "binary") and len(self.names) == 2 else None


def problem_of(metric: str, target: Feature, outputs: int, allowed: tuple[Kind, ...]) -> Problem:
    """What the target asks, when the metric can count it. Raises: ShapeError, saying why, when it can't."""
    problem = _problem(metric, target, outputs)
    if problem.kind == "numbers" and "numbers" not in allowed and target.label_counts and target.shape == (outputs,):
        problem = Problem("multi_label", target.columns or tuple(map(str, range(outputs))))
    if problem.kind not in allowed:
        wanted = " or ".join(_ASKS[kind] for kind in allowed)
        raise ShapeError(
            f"{metric} measures {wanted}, but the target {target.name!r} asks for {_ASKS[problem.kind]}",
            help=_way_out(problem.kind, allowed),
        )
    return problem


def class_rows(y_true: Array, y_pred: Array, weights: Array | None) -> tuple[Array, Array, Floats]:
    """Rows of class indices; the places of a sequence or image count as rows of their own.

    Places that are no rows are left out, as the loss leaves them out: those with a label below 0, and padding, where
    the loss gives no class any probability.
    Shapes: y_true (n, ...), y_pred (n, ..., k), weights (n,) → (m,) int64, (m, k), (m,) float64.
    """
    y_true = np.asarray(y_true)
    labels = y_true.reshape(-1).astype(np.int64)
    scores = np.asarray(y_pred).reshape(len(labels), y_pred.shape[-1])
    each = weights_or_ones(weights, len(y_true))
    each = np.repeat(each, len(labels) // max(len(each), 1))
    if y_true.ndim > 1:
        real = (labels >= 0) & _any(scores)
        if not real.all():
            labels, scores, each = labels[real], scores[real], each[real]
    return labels, scores, each


def _any(scores: Array) -> Array:
    """Which rows have a number other than 0: most by their first one, as a look at all takes longer than an argmax."""
    found: Array = scores[:, 0] != 0
    doubtful = np.flatnonzero(~found)
    found[doubtful] = scores[doubtful].any(axis=1)
    return found


def binary_rows(y_true: Array, y_pred: Array, weights: Array | None) -> tuple[Array, Array, Floats]:
    """Rows of one of two classes. Shapes: (n,), (n,) or (n, 1), (n,) → (n,) int64, (n,), (n,) float64."""
    labels = np.asarray(y_true).reshape(-1).astype(np.int64)
    return labels, np.asarray(y_pred).reshape(len(labels)), weights_or_ones(weights, len(labels))


def label_rows(y_true: Array, y_pred: Array, weights: Array | None) -> tuple[Array, Array, Floats]:
    """Rows of several labels. Shapes: (n, k), (n, k), (n,) → (n, k) bool, (n, k), (n,) float64."""
    truth = np.asarray(y_true) > 0.5
    return truth, np.asarray(y_pred).reshape(truth.shape), weights_or_ones(weights, len(truth))


def _problem(metric: str, target: Feature, outputs: int) -> Problem:
    if target.classes is None and target.kind not in ("category", "labels"):
        return Problem("numbers")
    names = target.classes or target.columns
    if outputs == 1 and prod(target.shape) == 1:
        names = names or ("0", "1")
        if len(names) > 2:
            raise ShapeError(
                f"{metric} can't tell {len(names)} classes of {target.name!r} by a single output",
                help=f"end the network in {len(names)} outputs with softmax",
            )
        return Problem("binary", names if len(names) == 2 else (*names, "1"))
    names = names or tuple(str(index) for index in range(outputs))
    if len(names) != outputs:
        raise ShapeError(
            f"{metric} needs one output for each class: {target.name!r} has {len(names)} classes, "
            f"the network {outputs} outputs"
        )
    several = target.shape == (outputs,) and target.stored_dtype != "int32"  # class indices are int32
    return Problem("multi_label" if several else "classes", names)


def _way_out(kind: Kind, allowed: tuple[Kind, ...]) -> str:
    if kind == "numbers":
        return (
            "for a target of numbers there are mse, rmse, mae and r2; a column holds classes with `kind: classes`, and "
            "several columns of nothing but 0 and 1 hold labels"
        )
    if allowed == ("numbers",):
        return "for classes there are accuracy, f1, auc and others"
    return "'dlrun metrics' lists what each metric measures"
