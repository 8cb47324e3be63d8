"""What a run's files say in a row of the board; the files are read again only when they changed."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlrun.errors import RunError, UsageError
from dlrun.metrics import direction_of
from dlrun.runs.directory import RunDirectory
from dlrun.runs.metrics_csv import FIRST_COLUMNS, History, read_metrics
from dlrun.runs.record import RunRecord, read_record

Stamp = tuple[tuple[int, int, int] | None, ...]
"""Of each file its inode, its size and when it changed; None of a file that isn't there."""
POINTS = 40
"""Points of a row's little curve."""
BEGINNING = 10.0
"""Seconds for which a run may have no run.json: it is being made."""
STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]")


@dataclass(frozen=True)
class Facts:
    """A run as far as its files tell; of a damaged one the reason."""

    stamp: Stamp
    record: RunRecord | None
    history: History
    config: Mapping[str, Any]
    problem: str | None = None

    def main_metric(self, wanted: str | None = None) -> str | None:
        """The metric to look at first: the one wanted, what decides about the best epoch where the config says so, or
        the first metric of validation rows, or the loss."""
        columns = [name for name in self.history.columns if name not in FIRST_COLUMNS]
        monitor = value_at(self.config, "training.checkpoints.best.monitor")
        for name in (wanted, monitor):
            if name in columns:
                return str(name)
        split = "validation/" if any(name.startswith("validation/") for name in columns) else "train/"
        known = [name for name in columns if name.startswith(split) and _has_direction(name)]
        measures = [name for name in known if not name.endswith("/loss")] if self.config.get("metrics") else []
        return next(iter([*measures, *known]), None)


def read_facts(run: RunDirectory, before: Facts | None) -> Facts | None:
    """Read a run's files, if they aren't as they were `before`; None for a run that is only beginning."""
    stamp = stamp_of([run.record, run.metrics, run.resolved_config])
    if before is not None and before.stamp == stamp:
        return before
    record, history, problems = None, History((), ()), []
    try:
        record = read_record(run.record)
    except RunError as error:
        if stamp[0] is None and is_new(run.path):
            return None
        problems.append(error.message)
    try:
        history = read_metrics(run.metrics)
    except RunError as error:
        problems.append(error.message)
    return Facts(stamp, record, history, read_plain(run.resolved_config), "; ".join(problems) or None)


def stamp_of(files: Sequence[Path]) -> Stamp:
    """What changes whenever one of the files does: they are replaced as a whole, or appended to."""
    found: list[tuple[int, int, int] | None] = []
    for file in files:
        try:
            state = file.stat()
            found.append((state.st_ino, state.st_size, state.st_mtime_ns))
        except OSError:
            found.append(None)
    return tuple(found)


def is_new(folder: Path) -> bool:
    """Whether a folder was made, or anything in it, a moment ago."""
    try:
        return time.time() - folder.stat().st_mtime < BEGINNING
    except OSError:
        return False


def read_plain(path: Path) -> dict[str, Any]:
    """A resolved config, or a sweep, as plain values; nothing where it can't be read.

    It was checked when it was written; checking it again would take ten times as long.
    """
    import yaml

    try:
        content = yaml.load(path.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return {}
    return content if isinstance(content, dict) else {}


def value_at(config: Any, path: str) -> Any:
    """The value at the path of an override, layers by number or by name; None where there is none."""
    for name, number in STEP.findall(path):
        if isinstance(config, list) and number:
            config = config[int(number)] if int(number) < len(config) else None
        elif isinstance(config, list):
            config = next((each for each in config if isinstance(each, dict) and each.get("name") == name), None)
        elif isinstance(config, dict):
            config = config.get(name or int(number))
        else:
            return None
    return config


def curve(history: History, metric: str) -> list[float]:
    """A metric's finite values over the epochs, thinned to some."""
    values = [value for value in history.series(metric)[1] if math.isfinite(value)]
    count = len(values)
    if count <= POINTS:
        return values
    return [values[round(index * (count - 1) / (POINTS - 1))] for index in range(POINTS)]


def _has_direction(column: str) -> bool:
    try:
        direction_of(column)
    except UsageError:
        return False
    return True
