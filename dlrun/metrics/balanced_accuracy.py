"""Accuracy in which every class counts the same."""

from __future__ import annotations

from typing import ClassVar, Literal

from dlrun.data.signature import Feature
from dlrun.metrics.base import Array, Direction, Result, Tracker
from dlrun.metrics.decisions import ClassCounts, DecisionMetric
from dlrun.metrics.problem import Problem, problem_of


class BalancedAccuracy(DecisionMetric):
    """The mean over the classes of the part of their rows that is right; classes without rows are left out.

    scikit-learn's balanced_accuracy_score.
    """

    direction: ClassVar[Direction] = "max"
    type: Literal["balanced_accuracy"] = "balanced_accuracy"

    def start(self, target: Feature, outputs: int) -> Tracker:
        """A tracker without rows. Raises: ShapeError unless the target asks for one class a row."""
        problem = problem_of(self.type, target, outputs, ("classes", "binary"))
        return BalancedAccuracyTracker(self.label(), problem, self.threshold)


class BalancedAccuracyTracker(Tracker):
    """Counts right rows by class."""

    def __init__(self, label: str, problem: Problem, threshold: float) -> None:
        super().__init__(label)
        self.counts = ClassCounts(problem, threshold)

    def update(self, y_true: Array, y_pred: Array, weights: Array | None = None) -> None:
        """Takes in the rows of a batch."""
        self.counts.add(y_true, y_pred, weights)

    def result(self) -> Result:
        """The mean of right rows / rows over the classes that have rows."""
        occurring = self.counts.true > 0
        recalls = self.counts.hits[occurring] / self.counts.true[occurring]
        return {self.label: float(recalls.mean()) if len(recalls) else float("nan")}
