"""Which classes are taken for which."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from dlrun.data.signature import Feature
from dlrun.metrics.base import Array, Direction, Result, Tracker
from dlrun.metrics.decisions import DecisionMetric, decide
from dlrun.metrics.problem import Problem, problem_of


class ConfusionMatrix(DecisionMetric):
    """How many rows of class i were taken for class j: row i, column j of a matrix over all classes.

    scikit-learn's confusion_matrix. It has no number to monitor or to write into metrics.csv.
    """

    direction: ClassVar[Direction] = "max"
    type: Literal["confusion_matrix"] = "confusion_matrix"
    normalize: Literal["true", "pred", "all"] | None = None
    """Divides by the sums of the rows, of the columns, or by that of all; nothing is divided when left out."""

    def start(self, target: Feature, outputs: int) -> Tracker:
        """A tracker without rows. Raises: ShapeError unless the target asks for one class a row."""
        return ConfusionTracker(self, problem_of(self.type, target, outputs, ("classes", "binary")))


class ConfusionTracker(Tracker):
    """Counts rows by true and predicted class."""

    def __init__(self, metric: ConfusionMatrix, problem: Problem) -> None:
        super().__init__(metric.label())
        self.metric = metric
        self.problem = problem
        self.matrix = np.zeros((len(problem.names), len(problem.names)))

    def update(self, y_true: Array, y_pred: Array, weights: Array | None = None) -> None:
        """Takes in the rows of a batch."""
        truth, decision, each = decide(self.problem, self.metric.threshold, y_true, y_pred, weights)
        size = len(self.matrix)
        self.matrix += np.bincount(truth * size + decision, each, size * size).reshape(size, size)

    def names(self) -> tuple[str, ...]:
        """None: it reports no single number."""
        return ()

    def result(self) -> Result:
        """The matrix as a list of rows."""
        axis = {"true": 1, "pred": 0}.get(self.metric.normalize or "")
        if self.metric.normalize is None:
            return {self.label: self.matrix.tolist()}
        sums = self.matrix.sum(axis=axis, keepdims=True)
        return {self.label: np.divide(self.matrix, sums, out=np.zeros_like(self.matrix), where=sums != 0).tolist()}
