"""The part of the rows whose class is among the k most probable."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from dlrun.data.signature import Feature
from dlrun.errors import ShapeError
from dlrun.metrics.base import Array, Direction, Metric, Result, Tracker, divide
from dlrun.metrics.problem import class_rows, problem_of


class TopKAccuracy(Metric):
    """The part of the rows whose class is among the `k` most probable; reported as top_5_accuracy for k 5.

    scikit-learn's top_k_accuracy_score: of equally probable classes the later comes first.
    """

    direction: ClassVar[Direction] = "max"
    type: Literal["top_k_accuracy"] = "top_k_accuracy"
    k: int = Field(5, ge=1)
    """How many classes count."""

    def label(self) -> str:
        """Its name, or top_5_accuracy for k 5."""
        return self.name or f"top_{self.k}_accuracy"

    def start(self, target: Feature, outputs: int) -> Tracker:
        """A tracker without rows. Raises: ShapeError unless the target asks for one of more than k classes."""
        problem = problem_of(self.type, target, outputs, ("classes",))
        if self.k >= len(problem.names):
            classes = f"{target.name!r} has {len(problem.names)} classes"
            raise ShapeError(
                f"k must be smaller than the number of classes, got {self.k}, and {classes}",
                field="k",
                help="every row is right otherwise",
            )
        return TopKTracker(self.label(), self.k)


class TopKTracker(Tracker):
    """Counts rows whose class ranks before k."""

    def __init__(self, label: str, k: int) -> None:
        super().__init__(label)
        self.k = k
        self.right = self.total = 0.0

    def update(self, y_true: Array, y_pred: Array, weights: Array | None = None) -> None:
        """Takes in the rows of a batch."""
        labels, scores, each = class_rows(y_true, y_pred, weights)
        if not len(labels):
            return
        own = np.take_along_axis(scores, labels[:, None], axis=1)
        later = np.arange(scores.shape[1]) > labels[:, None]
        rank = np.sum((scores > own) | ((scores == own) & later), axis=1)
        self.right += float(np.sum(each * (rank < self.k)))
        self.total += float(np.sum(each))

    def result(self) -> Result:
        """Right rows / rows."""
        return {self.label: divide(self.right, self.total)}
