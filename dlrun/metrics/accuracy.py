"""The part of the rows that is right."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from dlrun.data.signature import Feature
from dlrun.metrics.base import Array, Direction, Result, Tracker, divide
from dlrun.metrics.decisions import DecisionMetric, decide
from dlrun.metrics.problem import Problem, problem_of


class Accuracy(DecisionMetric):
    """The part of the rows whose decision is right; with several labels a row, of those with every label right.

    scikit-learn's accuracy_score.
    """

    direction: ClassVar[Direction] = "max"
    type: Literal["accuracy"] = "accuracy"

    def start(self, target: Feature, outputs: int) -> Tracker:
        """A tracker without rows. Raises: ShapeError for a target of numbers."""
        problem = problem_of(self.type, target, outputs, ("classes", "binary", "multi_label"))
        return AccuracyTracker(self.label(), problem, self.threshold)


class AccuracyTracker(Tracker):
    """Counts right rows."""

    def __init__(self, label: str, problem: Problem, threshold: float) -> None:
        super().__init__(label)
        self.problem, self.threshold = problem, threshold
        self.right = self.total = 0.0

    def update(self, y_true: Array, y_pred: Array, weights: Array | None = None) -> None:
        """Takes in the rows of a batch."""
        truth, decision, each = decide(self.problem, self.threshold, y_true, y_pred, weights)
        right = truth == decision
        if self.problem.kind == "multi_label":
            right = right.all(axis=1)
        self.right += float(np.sum(each * right))
        self.total += float(np.sum(each))

    def result(self) -> Result:
        """Right rows / rows."""
        return {self.label: divide(self.right, self.total)}
