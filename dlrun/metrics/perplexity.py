"""How many classes a prediction is as unsure as."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from dlrun.data.signature import Feature
from dlrun.metrics.base import Array, Direction, Metric, Result, Tracker, divide
from dlrun.metrics.problem import class_rows, problem_of

LEAST = float(np.finfo(np.float32).tiny)
"""What a probability of 0 counts as: it is less than float32 can tell from 0."""


class Perplexity(Metric):
    """exp of the mean over all rows (or positions of sequences) of -log p, with p the true class's probability.

    A model that is always as unsure as between k equal classes has perplexity k.
    """

    direction: ClassVar[Direction] = "min"
    type: Literal["perplexity"] = "perplexity"

    def start(self, target: Feature, outputs: int) -> Tracker:
        """A tracker without rows. Raises: ShapeError unless the target asks for one class of several."""
        problem_of(self.type, target, outputs, ("classes",))
        return PerplexityTracker(self.label())


class PerplexityTracker(Tracker):
    """Sums -log p."""

    def __init__(self, label: str) -> None:
        super().__init__(label)
        self.sum = self.total = 0.0

    def update(self, y_true: Array, y_pred: Array, weights: Array | None = None) -> None:
        """Takes in the rows of a batch."""
        labels, scores, each = class_rows(y_true, y_pred, weights)
        own = np.take_along_axis(scores, labels[:, None], axis=1)[:, 0].astype(np.float64)
        self.sum -= float(np.sum(each * np.log(np.maximum(own, LEAST))))
        self.total += float(np.sum(each))

    def result(self) -> Result:
        """exp of the mean."""
        return {self.label: float(np.exp(divide(self.sum, self.total)))}
