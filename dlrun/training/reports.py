"""What an evaluation tells beside the config's metrics, by the kind of the target.

Classes: precision, recall and F1 of each, and how many rows have it. Columns of 0 and 1: the same of each column.
Numbers: errors in the data's own units. Sequences of tokens: perplexity, bits, and the share of tokens that is right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from dlrun.data.dataset import Array, Split
from dlrun.data.signature import Feature
from dlrun.metrics import METRICS, Metric
from dlrun.metrics.decisions import ClassCounts
from dlrun.metrics.f1 import F1
from dlrun.metrics.precision import Precision
from dlrun.metrics.recall import Recall
from dlrun.training.heads import Output

if TYPE_CHECKING:
    from dlrun.training.session import Session

QUOTIENTS = (Precision(average="per_class"), Recall(average="per_class"), F1(average="per_class"))


@dataclass(frozen=True)
class Report:
    """What is told about one target: a table of its classes, their averages, and measures of all rows by name."""

    target: str
    classes: tuple[Mapping[str, Any], ...] = ()
    averages: tuple[Mapping[str, Any], ...] = ()
    measures: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return what evaluation.json holds."""
        parts: dict[str, Any] = {"measures": dict(self.measures)} if self.measures else {}
        tables = {"classes": self.classes, "averages": self.averages}
        return parts | {name: [dict(row) for row in rows] for name, rows in tables.items() if rows}


class Reporter:
    """Counts the report of one output's target over the rows of a split, part by part."""

    def __init__(self, output: Output) -> None:
        self.output = output
        target, outputs = output.target, output.shape[-1]
        self._by_class = [QUOTIENTS[0].start(target, outputs)] if has_classes(target) else []
        """Counts what all quotients are of."""
        self._measures = tuple(metric.start(target, outputs) for metric in _measures(target))

    def update(self, split: Split, index: Array, predictions: Mapping[str, Array]) -> None:
        """Take in the predictions for the rows `index` of a split, by target."""
        self.output.update((*self._by_class, *self._measures), split, index, predictions[self.output.target.name])

    def result(self) -> Report:
        """Return what was counted."""
        measures = {name: value for tracker in self._measures for name, value in tracker.result().items()}
        numbers = {name: value for name, value in measures.items() if isinstance(value, int | float)}
        rows, averages = _class_rows(self._by_class[0].counts) if self._by_class else ((), ())
        return Report(self.output.target.name, rows, averages, numbers)


class Reporters:
    """Counts the reports of all outputs of a network."""

    def __init__(self, reporters: Sequence[Reporter]) -> None:
        self._reporters = reporters

    def update(self, split: Split, index: Array, predictions: Mapping[str, Array]) -> None:
        """Take in the predictions for the rows `index` of a split, by target."""
        for reporter in self._reporters:
            reporter.update(split, index, predictions)

    def results(self) -> tuple[Report, ...]:
        """Return a report for each target."""
        return tuple(reporter.result() for reporter in self._reporters)


def make_reporters(session: Session) -> Reporters:
    """Return what counts the reports of a network's outputs: none where items are ranked for users."""
    return Reporters([Reporter(head) for head in session.heads] if session.ranker is None else [])


def has_classes(target: Feature) -> bool:
    """Return whether a row has a class, or several labels."""
    return (target.kind == "labels" and target.shape == ()) or target.label_counts is not None


def _measures(target: Feature) -> Sequence[Metric]:
    """Return the metrics of all rows together that suit a target."""
    if has_classes(target):
        names = ["accuracy"] if target.label_counts is not None else ["accuracy", "balanced_accuracy"]
    elif target.kind == "labels":
        names = ["accuracy", "perplexity", "bits_per_token"]
    elif target.shape == () or target.columns is not None:
        names = ["mae", "rmse", "r2"]
    else:
        names = ["mae", "rmse"]
    return [METRICS[name].model_validate({}) for name in names]


def _class_rows(counts: ClassCounts) -> tuple[tuple[Mapping[str, Any], ...], tuple[Mapping[str, Any], ...]]:
    """Return a row for each class, and their means: over the classes that occur, as in scikit-learn's report."""
    columns = {metric.type: metric.divided(counts.hits, counts.predicted, counts.true) for metric in QUOTIENTS}
    true, seen = counts.true, counts.seen
    rows = tuple(
        {"class": name, **{key: float(values[i]) for key, values in columns.items()}, "rows": float(true[i])}
        for i, name in enumerate(counts.problem.names)
    )
    if not true.sum():
        return rows, ()
    macro = {key: float(values[seen].mean()) for key, values in columns.items()}
    weighted = {key: float(np.average(values, weights=true)) for key, values in columns.items()}
    means = {"macro average": macro, "weighted average": weighted}
    return rows, tuple({"class": name, **each, "rows": float(true.sum())} for name, each in means.items())
