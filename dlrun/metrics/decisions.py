"""What is common to the metrics that look at the decision, not at how sure it was."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from dlrun.metrics.base import Array, Floats, Metric
from dlrun.metrics.problem import Problem, binary_rows, class_rows, label_rows


class DecisionMetric(Metric):
    """A metric of decisions: the most probable class (the first of equals), or whatever is above the threshold."""

    threshold: float = Field(0.5, ge=0, le=1)
    """Above which probability a single output means class 1, and a label is given; unused with softmax."""


def decide(
    problem: Problem, threshold: float, y_true: Array, y_pred: Array, weights: Array | None
) -> tuple[Array, Array, Floats]:
    """Truth, decision and weight of each row.

    Shapes: class indices (m,) int64 twice, or for several labels (m, k) bool twice; weights (m,) float64.
    """
    if problem.kind == "multi_label":
        truth, scores, rows = label_rows(y_true, y_pred, weights)
        return truth, scores > threshold, rows
    if problem.kind == "binary":
        truth, scores, rows = binary_rows(y_true, y_pred, weights)
        return _in_range(truth, 2), (scores > threshold).astype(np.int64), rows
    truth, scores, rows = class_rows(y_true, y_pred, weights)
    return _in_range(truth, len(problem.names)), scores.argmax(axis=1) if len(scores) else truth, rows


class ClassCounts:
    """Weighted counts for each class: true, predicted, and both (hits). Shapes: (k,) float64 each."""

    def __init__(self, problem: Problem, threshold: float) -> None:
        self.problem = problem
        self.threshold = threshold
        size = len(problem.names)
        self.true, self.predicted, self.hits = np.zeros(size), np.zeros(size), np.zeros(size)
        self.seen = np.zeros(size, bool)
        """Whether the class occurred at all, if with weight 0; a label always counts as seen, as in scikit-learn."""
        self.rows = 0

    def add(self, y_true: Array, y_pred: Array, weights: Array | None) -> None:
        """Counts the rows of a batch (see Tracker.update)."""
        truth, decision, each = decide(self.problem, self.threshold, y_true, y_pred, weights)
        self.rows += len(truth)
        if self.problem.kind == "multi_label":
            self.true += each @ truth
            self.predicted += each @ decision
            self.hits += each @ (truth & decision)
            self.seen[:] = True
            return
        size = len(self.true)
        self.true += np.bincount(truth, each, size)
        self.predicted += np.bincount(decision, each, size)
        self.hits += np.bincount(truth, each * (truth == decision), size)
        self.seen[truth] = True
        self.seen[decision] = True


def _in_range(labels: Array, classes: int) -> Array:
    if len(labels) and (labels.min() < 0 or labels.max() >= classes):
        raise ValueError(f"class indices must be from 0 to {classes - 1}, got {labels.min()} to {labels.max()}")
    return labels
