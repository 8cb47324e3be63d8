"""The data behind `dlrun compare`: runs side by side, by what is known of each and by the values of their metrics."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dlrun.config.load import load_config
from dlrun.errors import DlrunError, UsageError
from dlrun.metrics import direction_of
from dlrun.metrics.base import Metric
from dlrun.runs.directory import RunDirectory
from dlrun.runs.metrics_csv import FIRST_COLUMNS, History, read_metrics
from dlrun.runs.record import RunRecord, read_record


@dataclass(frozen=True)
class Extremes:
    """A metric's best value over the epochs, the epoch it was reached in, and its last value."""

    best: float
    best_epoch: int
    last: float


@dataclass(frozen=True)
class ComparedRun:
    """A run with its record, its epochs, and the metrics of its config, from which directions are known."""

    label: str
    record: RunRecord
    history: History
    metrics: tuple[Metric, ...]

    def extremes(self, column: str) -> Extremes | None:
        """The best and the last value of a metric; None where it was never measured, or only NaN."""
        epochs, values = self.history.series(column)
        known = [(value, epoch) for epoch, value in zip(epochs, values, strict=True) if not math.isnan(value)]
        if not known:
            return None
        best, epoch = max(known, key=lambda pair: (pair[0], -pair[1])) if self.wants_more(column) else min(known)
        return Extremes(best, epoch, values[-1])

    def wants_more(self, column: str) -> bool:
        """Whether larger values of a metric are better; not those of a part of the loss, such as kl."""
        try:
            return direction_of(column, self.metrics) == "max"
        except UsageError:
            return False


@dataclass(frozen=True)
class Comparison:
    """Runs and the metrics, by their columns' names, that are looked at."""

    runs: tuple[ComparedRun, ...]
    metrics: tuple[str, ...]

    def rows(self) -> list[dict[str, Any]]:
        """A row for each figure, with a column for each run."""
        facts: list[tuple[str, list[Any]]] = [
            ("status", [run.record.observed_status() for run in self.runs]),
            ("epochs", [run.record.epochs for run in self.runs]),
            ("training seconds", [round(run.record.train_seconds, 3) for run in self.runs]),
            ("parameters", [run.record.parameters for run in self.runs]),
        ]
        for name in self.metrics:
            found = [run.extremes(name) for run in self.runs]
            facts.append((f"best {name}", [each and each.best for each in found]))
            facts.append((f"epoch of best {name}", [each and each.best_epoch for each in found]))
            facts.append((f"last {name}", [each and each.last for each in found]))
        labels = [run.label for run in self.runs]
        return [{"metric": name, **dict(zip(labels, values, strict=True))} for name, values in facts]

    def to_json(self) -> list[dict[str, Any]]:
        """An object for each run, JSON-able but for NaN."""
        return [
            {
                "name": run.label, "status": run.record.observed_status(), "epochs": run.record.epochs,
                "train_seconds": run.record.train_seconds, "parameters": run.record.parameters,
                "metrics": {
                    name: {"best": found.best, "best_epoch": found.best_epoch, "last": found.last}
                    for name in self.metrics if (found := run.extremes(name)) is not None
                },
            }
            for run in self.runs
        ]  # fmt: skip

    def curves(self, metric: str) -> dict[str, tuple[list[int], list[float]]]:
        """Epochs and values of a metric by run; runs that never measured it are left out."""
        found = {run.label: run.history.series(metric) for run in self.runs}
        return {label: series for label, series in found.items() if series[0]}

    def chief_metrics(self) -> tuple[str, ...]:
        """What to look at first: the loss and the first metric, of validation rows where there are any."""
        split = "validation/" if any(name.startswith("validation/") for name in self.metrics) else "train/"
        chosen = [name for name in self.metrics if name.startswith(split)]
        return tuple(sorted(chosen, key=lambda name: name != f"{split}loss")[:2])


def compare_runs(runs: Sequence[RunDirectory], metrics: Sequence[str] = ()) -> Comparison:
    """Read the runs; of their metrics all are taken, or those named, `accuracy` meaning that of all splits.

    Raises: UsageError for fewer than two runs, or a metric that no run has; RunError where a run's files are damaged.
    """
    if len(runs) < 2:
        raise UsageError("it takes two runs to compare", "dlrun compare RUN RUN...; dlrun runs lists them")
    found = tuple(_read(run, label) for run, label in zip(runs, labels_of(runs), strict=True))
    columns = dict.fromkeys(column for run in found for column in run.history.columns if column not in FIRST_COLUMNS)
    return Comparison(found, _chosen(tuple(columns), metrics))


def labels_of(runs: Sequence[RunDirectory]) -> list[str]:
    """The runs' names, or their paths where two runs of different folders have the same name."""
    names = [run.name for run in runs]
    if len({run.path.resolve() for run in runs}) < len(runs):
        raise UsageError("a run is named twice")
    return [name if names.count(name) == 1 else str(run.path) for name, run in zip(names, runs, strict=True)]


def _read(run: RunDirectory, label: str) -> ComparedRun:
    try:
        metrics = tuple(metric for _, metric in load_config(run.resolved_config).config.all_metrics())
    except DlrunError:  # a config of another version: the metrics' names tell the directions
        metrics = ()
    return ComparedRun(label, read_record(run.record), read_metrics(run.metrics), metrics)


def _chosen(columns: tuple[str, ...], wanted: Sequence[str]) -> tuple[str, ...]:
    """The columns that are meant by names, in the order of the names."""
    chosen: list[str] = []
    for name in wanted:
        meant = [column for column in columns if column == name or column.partition("/")[2] == name]
        if not meant:
            near = difflib.get_close_matches(name, columns, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise UsageError(f"none of the runs has a metric {name!r}", f"{hint}one of: {', '.join(columns)}")
        chosen += meant
    return tuple(dict.fromkeys(chosen)) if wanted else columns
