"""What every metric has in a config, and how it is counted over batches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np

from dlrun.data.signature import Feature
from dlrun.registry import Component

Array = np.ndarray[Any, np.dtype[Any]]
Floats = np.ndarray[Any, np.dtype[np.float64]]
Direction = Literal["max", "min"]
Result = dict[str, float | list[list[float]]]


class Tracker(ABC):
    """Counts a metric over any number of batches; the order of the batches and their sizes don't matter."""

    def __init__(self, label: str) -> None:
        self.label = label

    @abstractmethod
    def update(self, y_true: Array, y_pred: Array, weights: Array | None = None) -> None:
        """Takes in the rows of a batch.

        Shapes, by the target: classes y_true (n, ...) int, y_pred (n, ..., k) probabilities; one of two classes
        y_true (n,) int, y_pred (n,) or (n, 1) probabilities of class 1; several labels a row y_true (n, k) of 0 and
        1, y_pred (n, k) probabilities; numbers y_true (n, ...), y_pred of as many numbers a row. weights (n,).
        """

    @abstractmethod
    def result(self) -> Result:
        """The metric over all rows so far, by name; NaN where it isn't defined, as without any row."""

    def names(self) -> tuple[str, ...]:
        """The names of the numbers that `result` gives; a matrix isn't among them."""
        return (self.label,)


class Metric(Component):
    """A measure of how good the predictions are."""

    direction: ClassVar[Direction]
    """Whether larger or smaller values are better."""
    ranks: ClassVar[bool] = False
    """Whether it looks at the ranks of items rather than at the rows' predictions."""

    name: str | None = None
    """Under which name it is reported; its type when left out."""

    @abstractmethod
    def start(self, target: Feature, outputs: int) -> Tracker:
        """A tracker without rows, for a target and the size of the network's last axis.

        Raises: ShapeError when the metric doesn't fit them.
        """

    def check(self, target: Feature, outputs: int) -> None:
        """Raises: ShapeError, saying why, when the metric doesn't fit the target and the network's outputs."""
        self.start(target, outputs)

    def names(self, target: Feature, outputs: int) -> tuple[str, ...]:
        """The names of the numbers that it reports, such as accuracy, or f1/cat and f1/dog. Raises: ShapeError."""
        return self.start(target, outputs).names()

    def label(self) -> str:
        """The name under which it is reported, without a class."""
        return self.name or self.type


def scalars(result: Mapping[str, float | list[list[float]]]) -> dict[str, float]:
    """The plain numbers of a result: what a table, a plot over epochs or an early stopping can use."""
    return {name: value for name, value in result.items() if not isinstance(value, list)}


def weights_or_ones(weights: Array | None, rows: int) -> Floats:
    """Sample weights (rows,) as float64, or ones."""
    return np.ones(rows) if weights is None else np.asarray(weights, np.float64).reshape(rows)


def divide(numerator: float, denominator: float) -> float:
    """The quotient, NaN when nothing was counted."""
    return float(numerator / denominator) if denominator else float("nan")
