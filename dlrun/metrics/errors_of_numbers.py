"""What the metrics of numbers have in common: sums over the rows, for each number of a row."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np

from dlrun.data.signature import Feature
from dlrun.metrics.base import Array, Direction, Floats, Metric, Result, Tracker, weights_or_ones
from dlrun.metrics.problem import problem_of


class ErrorMetric(Metric):
    """A metric of the differences between numbers."""

    direction: ClassVar[Direction] = "min"

    scaled: bool = False
    """Whether numbers are compared as the loss sees them, behind the target's transforms, and not in the data's units;
    the name then ends in _scaled."""

    def start(self, target: Feature, outputs: int) -> Tracker:
        """A tracker without rows. Raises: ShapeError for a target of classes."""
        problem_of(self.type, target, outputs, ("numbers",))
        return ErrorTracker(self, target)

    def label(self) -> str:
        """The name under which it is reported."""
        return self.name or (f"{self.type}_scaled" if self.scaled else self.type)

    @abstractmethod
    def error(self, difference: Floats) -> Floats:
        """The error of each number. Shapes: (n, d) → (n, d)."""

    def finish(self, means: Floats) -> Floats:
        """What becomes of each output's weighted mean error. Shapes: (d,) → (d,)."""
        return means


class ErrorTracker(Tracker):
    """Sums errors for each number of a row."""

    def __init__(self, metric: ErrorMetric, target: Feature) -> None:
        super().__init__(metric.label())
        self.metric, self.target = metric, target
        self.sums: Floats | float = 0.0
        self.total = 0.0

    def update(self, y_true: Array, y_pred: Array, weights: Array | None = None) -> None:
        """Takes in the rows of a batch."""
        if self.metric.scaled:
            y_true, y_pred = (self.target.from_units(y.reshape(len(y), *self.target.shape)) for y in (y_true, y_pred))
        truth, prediction, each = number_rows(y_true, y_pred, weights)
        if len(truth):
            self.sums = self.sums + each @ self.metric.error(truth - prediction)
            self.total += float(each.sum())

    def result(self) -> Result:
        """The mean over the outputs."""
        if not self.total:
            return {self.label: float("nan")}
        return {self.label: float(self.metric.finish(np.atleast_1d(self.sums / self.total)).mean())}


def number_rows(y_true: Array, y_pred: Array, weights: Array | None) -> tuple[Floats, Floats, Floats]:
    """Rows of numbers. Shapes: y_true (n, ...), y_pred (n, ...), weights (n,) → (n, d), (n, d), (n,) float64."""
    rows = len(y_true)
    truth = np.asarray(y_true, np.float64).reshape(rows, -1 if rows else 1)
    prediction = np.asarray(y_pred, np.float64).reshape(rows, -1 if rows else 1)
    if truth.shape != prediction.shape:
        raise ValueError(f"{truth.shape[1]} numbers a row in the target, {prediction.shape[1]} in the predictions")
    return truth, prediction, weights_or_ones(weights, rows)
