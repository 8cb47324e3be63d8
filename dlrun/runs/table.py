"""The data behind `dlrun runs` and `dlrun runs show`: rows over a folder of runs, sorted, JSON-able."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from dlrun.errors import RunError, UsageError
from dlrun.runs.directory import RUNS, RunDirectory, list_directories
from dlrun.runs.metrics_csv import read_metrics
from dlrun.runs.record import RunRecord, now, read_record

Cell = str | int | float | None

COLUMNS = ("name", "status", "started", "duration", "epochs", "best_epoch", "parameters")
"""What every table begins with; the best epoch's metrics follow."""


@dataclass(frozen=True)
class RunsTable:
    """Columns and rows; a row has a cell for each column, None where nothing is known."""

    columns: tuple[str, ...]
    rows: tuple[dict[str, Cell], ...]
    damaged: dict[str, str]
    """Why a run's record can't be read, by the run's name."""

    def to_json(self) -> list[dict[str, Any]]:
        """The rows, those of damaged runs with the reason."""
        return [
            {**row, **({"problem": self.damaged[str(row["name"])]} if row["name"] in self.damaged else {})}
            for row in self.rows
        ]


def runs_table(runs: Path = RUNS, sort: str | None = None) -> RunsTable:
    """Every run of a folder, the newest last, or sorted by a column.

    `sort` is a column's name, with "-" before it for the largest first; rows without a value come last either way.
    A run whose record is damaged is listed with the status "damaged".

    Raises: UsageError when there is no such column; RunError when the folder can't be read.
    """
    rows: list[dict[str, Cell]] = []
    damaged: dict[str, str] = {}
    for directory in list_directories(runs):
        try:
            rows.append(_row(directory.name, read_record(directory.record)))
        except RunError as error:
            damaged[directory.name] = error.message
            rows.append({"name": directory.name, "status": "damaged"})
    metrics = sorted({name for row in rows for name in row} - set(COLUMNS))
    columns = (*COLUMNS, *metrics)
    filled = [{column: row.get(column) for column in columns} for row in rows]
    return RunsTable(columns, tuple(_sorted(filled, columns, sort)), damaged)


def show_run(directory: RunDirectory) -> dict[str, Any]:
    """All that is known about one run, JSON-able: its record, the history of its epochs, its files.

    Damage is reported as "problems" instead of what can't be read.
    """
    shown: dict[str, Any] = {"name": directory.name, "path": str(directory.path), "status": "damaged"}
    problems: list[str] = []
    try:
        record = read_record(directory.record)
        shown |= record.model_dump(mode="json")
        shown |= {"name": directory.name, "status": record.observed_status(), "duration": _duration(record)}
    except RunError as error:
        problems.append(error.message)
    shown["history"] = []
    try:
        shown["history"] = [_finite(row) for row in read_metrics(directory.metrics).rows]
    except RunError as error:
        problems.append(error.message)
    try:
        paths = sorted(path for path in directory.path.rglob("*") if path.is_file())
        shown["files"] = [path.relative_to(directory.path).as_posix() for path in paths]
    except OSError as error:
        problems.append(f"can't read {directory.path}: {error.strerror}")
    return {**shown, "problems": problems}


def _row(name: str, record: RunRecord) -> dict[str, Cell]:
    return {
        "name": name,
        "status": record.observed_status(),
        "started": record.started.isoformat(timespec="seconds"),
        "duration": _duration(record),
        "epochs": record.epochs,
        "best_epoch": record.best_epoch,
        "parameters": record.parameters,
        **{name: value for name, value in record.best_metrics.items() if name not in COLUMNS},
    }


def _duration(record: RunRecord) -> float | None:
    """Seconds from the last start to the end, or to now when it runs; None when a killed run's end isn't known."""
    begin = record.resumed[-1] if record.resumed else record.started
    end: datetime | None = now() if record.observed_status() == "running" else record.ended
    return None if end is None else round(max((end - begin).total_seconds(), 0.0), 3)


def _sorted(rows: list[dict[str, Cell]], columns: Sequence[str], sort: str | None) -> list[dict[str, Cell]]:
    if sort is None:
        return rows
    column = sort.removeprefix("-")
    if column not in columns:
        near = difflib.get_close_matches(column, columns, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise UsageError(f"the table of runs has no column {column!r}", f"{hint}one of: {', '.join(columns)}")
    known = [row for row in rows if row[column] is not None]
    unknown = [row for row in rows if row[column] is None]
    known.sort(key=lambda row: _order(row[column]), reverse=sort.startswith("-"))
    return known + unknown


def _order(value: Cell) -> tuple[float, str]:
    return (0.0, value) if isinstance(value, str) else (float(value or 0), "")


def _finite(row: Any) -> dict[str, Any]:
    """The row with None for NaN and infinity, which JSON has not."""
    return {name: None if value is None or value - value != 0 else value for name, value in row.items()}
