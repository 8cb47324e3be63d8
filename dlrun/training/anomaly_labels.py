"""What is known to be an anomaly: windows of time from a config, a file or the source, or a column of the rows."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dlrun.config.anomaly_config import AnomalyLabels
from dlrun.data.config import DataConfig
from dlrun.data.dataset import Array
from dlrun.data.dates import read_date, read_dates
from dlrun.data.reading import read_source
from dlrun.data.selection import select
from dlrun.data.series import Time, sorted_rows, time_of
from dlrun.data.sources.base import Raw
from dlrun.data.sources.files import find_path
from dlrun.errors import ConfigError, DataError, Problem

PLACE = ("anomaly", "labels")
Window = tuple[Any, Any]


@dataclass(frozen=True)
class Known:
    """What is known of all rows of the data, in their order.

    `times` (rows,) are datetime64 or numbers, `written` how the file writes them; None where nothing says when a row
    was. `windows` are masks (rows,) with the `bounds` they were given by, `labels` (rows,) bool says which rows are
    anomalies; None where nothing is labelled. `values` (rows,) is the first of the target's columns of numbers.
    """

    times: Array | None
    written: Sequence[str] | None
    bounds: tuple[tuple[str, str], ...] = ()
    windows: tuple[Array, ...] = ()
    labels: Array | None = None
    values: Array | None = None


def given_windows(labels: AnomalyLabels | None, data: DataConfig) -> Sequence[Window] | None:
    """The windows of a config, its file, or its source, [start, end] each; None where a column, or nothing, labels.

    Raises ConfigError for a file that isn't there or doesn't hold windows.
    """
    if labels is None:
        return data.source.anomalies()
    if labels.windows is not None:
        return labels.windows
    if labels.path is None:
        return None
    try:
        path = find_path(labels.path)
        return _from_csv(path) if path.suffix == ".csv" else _from_json(path, labels.key)
    except _Unreadable as error:
        raise ConfigError([Problem((*PLACE, error.field), str(error), error.help)]) from None
    except DataError as error:
        raise ConfigError([Problem((*PLACE, "path"), error.message, error.help)]) from None
    except OSError as error:
        message = f"can't read {labels.path}: {error.strerror or error}"
        raise ConfigError([Problem((*PLACE, "path"), message)]) from None


class _Unreadable(Exception):
    """A file of labels that isn't one, and the field to blame."""

    def __init__(self, message: str, field: str = "path", help: str | None = None) -> None:
        super().__init__(message)
        self.field, self.help = field, help


def _from_json(path: Path, key: str | None) -> Sequence[Window]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise _Unreadable(f"{path} is no JSON: {error}") from None
    if isinstance(content, dict):
        listed = ", ".join(map(repr, list(content)[:5]))
        if key is None:
            raise _Unreadable(f"{path} holds lists by key: say which", "path", f"key: {listed} ...")
        if key not in content:
            raise _Unreadable(f"{path} has no list {key!r}", "key", f"there are {listed} ...")
        content = content[key]
    good = isinstance(content, list) and all(
        isinstance(window, list) and len(window) == 2 and all(isinstance(m, str | int | float) for m in window)
        for window in content
    )
    if not good:
        raise _Unreadable(f"{path} holds no list of [start, end]")
    return [(start, end) for start, end in content]


def _from_csv(path: Path) -> Sequence[Window]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        if not {"start", "end"} <= set(rows.fieldnames or ()):
            raise _Unreadable(f"{path} has no columns 'start' and 'end'")
        return [(row["start"], row["end"]) for row in rows]


def known_rows(labels: AnomalyLabels | None, data: DataConfig) -> Known:
    """Read when each row was, and which rows are anomalies. Raises ConfigError, DataError."""
    given = given_windows(labels, data)
    outline, default = data.source.outline()
    chosen = select(data, outline, default)
    time = time_of(data, chosen.inputs)
    column = None if labels is None else labels.column
    if column is not None and column not in outline:
        message, help = f"there is no column {column!r}", f"columns: {', '.join(outline)}"
        raise ConfigError([Problem((*PLACE, "column"), message, help)])
    targets = next(iter(chosen.targets.values())).columns if chosen.targets else ()
    first = targets or next(iter(chosen.inputs.values())).columns
    wanted = [first[0], *([time.column] if time else []), *([column] if column else [])]
    data.source.fetch()
    raw, _ = read_source(data, tuple(dict.fromkeys(wanted)))
    if data.window is not None:
        raw = sorted_rows(raw, time)
    times, written = (None, None) if time is None or data.window is None else _times(raw, time)
    values = raw.arrays[first[0]]
    known = Known(times, written, values=values if values.ndim == 1 and values.dtype == np.float64 else None)
    if column is not None:
        return Known(times, written, labels=_marked(raw, column), values=known.values)
    return known if given is None else _with_windows(known, given, raw.rows, None if time is None else time.format)


def _times(raw: Raw, time: Time) -> tuple[Array, Sequence[str]]:
    column, array = raw.description.columns[time.column], raw.arrays[time.column]
    if column.kind != "text":
        return array, [f"{value:g}" for value in array]
    dates: Array = read_dates(column.values, time.format)[array]
    return dates, [column.values[code] for code in array]


def _marked(raw: Raw, name: str) -> Array:
    """Which rows a column of 0 and 1 marks."""
    array = raw.arrays[name]
    if raw.description.columns[name].kind != "numbers" or array.ndim > 1 or not np.isin(array, (0.0, 1.0)).all():
        raise ConfigError([Problem((*PLACE, "column"), f"column {name!r} holds something else than 0 and 1")])
    marked: Array = array == 1
    return marked


def _with_windows(known: Known, given: Sequence[Window], rows: int, format: str | None) -> Known:
    times = known.times if known.times is not None else np.arange(rows)
    masks, bounds = [], []
    for window in given:
        start, end = (_moment(moment, times, format) for moment in window)
        if start > end:
            message = f"a labelled window ends before it starts: {window[0]} to {window[1]}"
            raise ConfigError([Problem(PLACE, message)])
        masks.append((times >= start) & (times <= end))
        bounds.append((str(window[0]), str(window[1])))
    labels = np.any(masks, axis=0) if masks else np.zeros(rows, bool)
    return Known(known.times, known.written, tuple(bounds), tuple(masks), labels, known.values)


def _moment(moment: Any, times: Array, format: str | None) -> Any:
    """A window's start or end, comparable with the rows' times; raises ConfigError for what isn't."""
    try:
        if np.issubdtype(times.dtype, np.datetime64):
            return np.datetime64(read_date(str(moment), format if format and isinstance(moment, str) else None), "us")
        return float(moment)
    except (DataError, ValueError) as error:
        shown = error.message if isinstance(error, DataError) else f"{moment!r} is no number, as the rows' times are"
        raise ConfigError([Problem(PLACE, f"labelled windows: {shown}")]) from None
