"""What AUC and average precision have in common: they rank all rows, so they keep every score."""

from __future__ import annotations

from abc import abstractmethod
from typing import Literal

import numpy as np

from dlrun.data.signature import Feature
from dlrun.metrics.base import Array, Floats, Metric, Result, Tracker
from dlrun.metrics.problem import Problem, binary_rows, class_rows, label_rows, problem_of


class RankingMetric(Metric):
    """A metric of how well the scores rank the rows; with more than two classes, of each class against the rest.

    `average`: macro is the mean over the classes, weighted the mean by how many rows have the class, micro takes
    every (row, class) pair as a row, per_class gives each by itself as in auc/cat. Two classes are one question, so
    the average has no part in it. All scores are kept: 4 bytes for each row and class.
    """

    average: Literal["macro", "weighted", "micro", "per_class"] = "macro"
    """How the classes' values become one, or stay several."""

    def start(self, target: Feature, outputs: int) -> Tracker:
        """A tracker without rows. Raises: ShapeError for a target of numbers."""
        problem = problem_of(self.type, target, outputs, ("classes", "binary", "multi_label"))
        return RankingTracker(self, problem)

    @abstractmethod
    def score(self, truth: Array, scores: Array, weights: Floats) -> float:
        """The metric of one question. Shapes: truth (n,) bool, scores (n,), weights (n,)."""


class RankingTracker(Tracker):
    """Keeps truth, scores and weights of all rows."""

    def __init__(self, metric: RankingMetric, problem: Problem) -> None:
        super().__init__(metric.label())
        self.metric = metric
        self.problem = problem
        self.average = "binary" if problem.positive is not None else metric.average
        self.kept: list[tuple[Array, Array, Floats]] = []

    def update(self, y_true: Array, y_pred: Array, weights: Array | None = None) -> None:
        """Takes in the rows of a batch."""
        rows = {"classes": class_rows, "binary": binary_rows, "multi_label": label_rows}[self.problem.kind]
        truth, scores, each = rows(y_true, y_pred, weights)
        if self.problem.kind == "classes" and self.average == "binary":
            scores = scores[:, 1]
        self.kept.append((truth, np.array(scores), each))  # a copy: the caller may use its array again

    def names(self) -> tuple[str, ...]:
        """Its label, or label/class for each class."""
        if self.average != "per_class":
            return (self.label,)
        return tuple(f"{self.label}/{name}" for name in self.problem.names)

    def result(self) -> Result:
        """The average or the classes' values."""
        if not any(len(each) for _, _, each in self.kept):
            return dict.fromkeys(self.names(), float("nan"))
        truth, scores, weights = (np.concatenate(parts) for parts in zip(*self.kept, strict=True))
        if np.isnan(scores).any():  # they have no rank
            return dict.fromkeys(self.names(), float("nan"))
        if self.problem.kind == "classes" and self.average != "binary":
            truth = truth[:, None] == np.arange(scores.shape[1])
        return dict(zip(self.names(), self._values(truth, scores, weights), strict=True))

    def _values(self, truth: Array, scores: Array, weights: Floats) -> list[float]:
        if self.average == "binary":
            return [self.metric.score(truth.astype(bool), scores, weights)]
        if self.average == "micro":
            return [self.metric.score(truth.ravel(), scores.ravel(), np.repeat(weights, truth.shape[1]))]
        values = np.array([self.metric.score(truth[:, k], scores[:, k], weights) for k in range(truth.shape[1])])
        if self.average == "per_class":
            return [float(value) for value in values]
        if self.average == "macro":
            return [float(values.mean())]
        support = weights @ truth
        if np.isclose(support.sum(), 0):
            return [0.0]  # as scikit-learn
        return [float(np.average(np.where(support == 0, 0.0, values), weights=support))]


def cumulative_counts(truth: Array, scores: Array, weights: Floats) -> tuple[Floats, Floats]:
    """Weighted true and false positives as the threshold falls through the distinct scores; equal scores are one.

    Shapes: truth (n,) bool, scores (n,), weights (n,) → (distinct,) twice.
    """
    counted = weights != 0
    truth, scores, weights = truth[counted], scores[counted], weights[counted]
    order = np.argsort(scores, kind="stable")[::-1]
    truth, scores, weights = truth[order], scores[order], weights[order]
    last = np.flatnonzero(np.append(scores[1:] != scores[:-1], True)) if len(scores) else np.zeros(0, np.int64)
    return np.cumsum(weights * truth)[last], np.cumsum(weights * ~truth)[last]
