"""The part of the target's variance that the predictions explain."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from dlrun.data.signature import Feature
from dlrun.metrics.base import Array, Direction, Floats, Metric, Result, Tracker
from dlrun.metrics.errors_of_numbers import number_rows
from dlrun.metrics.problem import problem_of


class R2(Metric):
    """1 - (squared error) / (squared distance from the mean), averaged over the numbers of a row.

    1 is perfect, 0 no better than the mean. A target that never changes gives 1 when it is met exactly, else 0.
    scikit-learn's r2_score; NaN for fewer than two rows.
    """

    direction: ClassVar[Direction] = "max"
    type: Literal["r2"] = "r2"

    def start(self, target: Feature, outputs: int) -> Tracker:
        """A tracker without rows. Raises: ShapeError for a target of classes."""
        problem_of(self.type, target, outputs, ("numbers",))
        return R2Tracker(self.label())


class R2Tracker(Tracker):
    """Sums squared errors, and squared distances from the mean without loss of digits.

    The sums of two sets of rows combine as spread = spread_a + spread_b + (mean_b - mean_a)² w_a w_b / (w_a + w_b).
    Source: Chan, Golub & LeVeque, Updating Formulae and a Pairwise Algorithm for Computing Sample Variances (1979).
    """

    def __init__(self, label: str) -> None:
        super().__init__(label)
        self.rows = 0
        self.total = 0.0
        self.residual: Floats = np.zeros(1)
        self.mean: Floats = np.zeros(1)
        self.spread: Floats = np.zeros(1)
        self.least: Floats = np.full(1, np.inf)
        self.most: Floats = np.full(1, -np.inf)

    def update(self, y_true: Array, y_pred: Array, weights: Array | None = None) -> None:
        """Takes in the rows of a batch."""
        truth, prediction, each = number_rows(y_true, y_pred, weights)
        self.rows += len(truth)
        counted = each > 0
        truth, prediction, each = truth[counted], prediction[counted], each[counted]
        if not len(truth):
            return
        self.residual = self.residual + each @ np.square(truth - prediction)
        weight = float(each.sum())
        mean = each @ truth / weight
        step = mean - self.mean
        self.spread = self.spread + each @ np.square(truth - mean)
        self.spread = self.spread + step**2 * (self.total * weight / (self.total + weight))
        self.mean = self.mean + step * (weight / (self.total + weight))
        self.total += weight
        self.least = np.minimum(self.least, truth.min(axis=0))
        self.most = np.maximum(self.most, truth.max(axis=0))

    def result(self) -> Result:
        """The mean over the outputs."""
        if self.rows < 2 or not self.total:
            return {self.label: float("nan")}
        # Rounding can leave a little spread in a target that never changes, so its extremes decide.
        spread = np.where(self.least == self.most, 0.0, self.spread)
        explained = 1.0 - self.residual / np.where(spread == 0, 1.0, spread)
        constant = np.where(self.residual == 0, 1.0, 0.0)
        return {self.label: float(np.where(spread == 0, constant, explained).mean())}
