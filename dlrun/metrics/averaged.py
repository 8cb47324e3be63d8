"""What precision, recall and F1 have in common: a quotient of counts for each class, and their average."""

from __future__ import annotations

from abc import abstractmethod
from typing import Literal

import numpy as np

from dlrun.data.signature import Feature
from dlrun.errors import ShapeError
from dlrun.metrics.base import Array, Floats, Result, Tracker
from dlrun.metrics.decisions import ClassCounts, DecisionMetric
from dlrun.metrics.problem import Problem, problem_of

Average = Literal["auto", "binary", "macro", "micro", "weighted", "per_class"]


class AveragedMetric(DecisionMetric):
    """A quotient of counts for each class.

    `average` says what becomes of the classes' values: binary is that of the positive class alone, macro their mean
    (over the classes that occur, as in scikit-learn), micro one quotient over all classes' counts, weighted their
    mean by how many rows have the class, per_class each by itself as in f1/cat. auto is binary where there are two
    classes and macro otherwise.
    """

    average: Average = "auto"
    """How the classes' values become one, or stay several."""
    positive_class: str | None = None
    """The name of the class that 'binary' is about; the second when left out."""
    zero_division: Literal[0, 1] = 0
    """The value where a quotient has nothing to divide by."""

    def start(self, target: Feature, outputs: int) -> AveragedTracker:
        """A tracker without rows. Raises: ShapeError for numbers, or an average or class that the target has not."""
        problem = problem_of(self.type, target, outputs, ("classes", "binary", "multi_label"))
        return AveragedTracker(self, problem, self._positive(problem, target))

    @abstractmethod
    def quotient(self, hits: Floats, predicted: Floats, true: Floats) -> tuple[Floats, Floats]:
        """Numerator and denominator from the weighted counts. Shapes: (k,) each."""

    def divided(self, hits: Floats, predicted: Floats, true: Floats) -> Floats:
        """The quotient, `zero_division` where there is nothing to divide by. Shapes: (k,) each."""
        numerator, denominator = self.quotient(hits, predicted, true)
        empty = denominator == 0
        return np.where(empty, float(self.zero_division), numerator / np.where(empty, 1.0, denominator))

    def resolved_average(self, problem: Problem) -> Average:
        """The average, with auto decided."""
        if self.average != "auto":
            return self.average
        return "macro" if problem.positive is None else "binary"

    def _positive(self, problem: Problem, target: Feature) -> int | None:
        average = self.resolved_average(problem)
        if average == "binary" and problem.positive is None:
            raise ShapeError(
                f"average 'binary' needs a target of two classes, and {target.name!r} has {len(problem.names)}",
                field="average",
                help="one of macro, micro, weighted, per_class",
            )
        if self.positive_class is None:
            return problem.positive
        if average != "binary":
            raise ShapeError(
                f"positive_class has no meaning with average {average!r}", field="positive_class", help="leave it out"
            )
        if self.positive_class not in problem.names:
            raise ShapeError(
                f"the target {target.name!r} has no class {self.positive_class!r}",
                field="positive_class",
                help=f"one of: {', '.join(problem.names)}",
            )
        return problem.names.index(self.positive_class)


class AveragedTracker(Tracker):
    """Counts true, predicted and hit rows by class."""

    def __init__(self, metric: AveragedMetric, problem: Problem, positive: int | None) -> None:
        super().__init__(metric.label())
        self.metric = metric
        self.positive = positive
        self.average = metric.resolved_average(problem)
        self.counts = ClassCounts(problem, metric.threshold)

    def update(self, y_true: Array, y_pred: Array, weights: Array | None = None) -> None:
        """Takes in the rows of a batch."""
        self.counts.add(y_true, y_pred, weights)

    def names(self) -> tuple[str, ...]:
        """Its label, or label/class for each class."""
        if self.average != "per_class":
            return (self.label,)
        return tuple(f"{self.label}/{name}" for name in self.counts.problem.names)

    def result(self) -> Result:
        """The average or the classes' values."""
        values = self._values() if self.counts.rows else np.full(len(self.names()), np.nan)
        return dict(zip(self.names(), values.tolist(), strict=True))

    def _values(self) -> Floats:
        counts = self.counts
        if self.average == "micro":
            sums = (np.atleast_1d(each.sum()) for each in (counts.hits, counts.predicted, counts.true))
            return self.metric.divided(*sums)
        values = self.metric.divided(counts.hits, counts.predicted, counts.true)
        if self.average == "per_class":
            return values
        if self.average == "binary":
            assert self.positive is not None  # AveragedMetric.start saw to it
            return values[[self.positive]]
        weights = counts.true[counts.seen] if self.average == "weighted" else None
        if weights is not None and not weights.sum():
            weights = None  # as scikit-learn: without any weight all count the same
        return np.atleast_1d(np.average(values[counts.seen], weights=weights))
