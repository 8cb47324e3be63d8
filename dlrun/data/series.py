"""A table as a series: windows over its rows in their order, and what follows them as the target.

A window is not copied. The rows go through the transforms once, into one array for each input and target, and the
windows are views of it that share its memory: (windows, length, *row) with strides of `stride` rows, from which the
kernel that gathers a step's rows reads (`dlrun.kernels.gather.gather_windows`).

Splits are stretches of consecutive rows. The target of a window lies in the rows of its split altogether, so that no
split predicts, trains on or is measured by a row of another; the rows that the network looks back on may be those
before the split, which are known when a forecast is made. That is how H. Zhou et al. divide their series ("Informer",
AAAI 2021). A window that is its own target lies in its split altogether.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dlrun.data.config import DataConfig, SplitConfig
from dlrun.data.dataset import Array, Split
from dlrun.data.dates import read_dates
from dlrun.data.layout import real
from dlrun.data.pipeline import FittedPipeline, chunks, gather
from dlrun.data.selection import Chosen
from dlrun.data.signature import Feature
from dlrun.data.sources.base import Column, Raw, Store
from dlrun.data.transforms.calendar import Calendar
from dlrun.errors import ConfigError, DataError, Path, Problem

PLACE = ("data", "window")
SORT_BY = ("data", "split", "sort_by")


@dataclass(frozen=True)
class Series:
    """How windows lie: `length` rows each, beginning every `stride` rows; `horizon` 0 where they are the targets."""

    length: int
    horizon: int
    stride: int

    @property
    def before(self) -> int:
        """How many rows before its target a window begins."""
        return self.length if self.horizon else 0

    @property
    def ahead(self) -> int:
        """How many rows a target has."""
        return self.horizon or self.length

    def origins(self, begin: int, end: int, first: int = 0) -> Array:
        """The rows at which targets begin that lie in the rows [begin, end), with windows from row `first` on."""
        return np.arange(max(begin, first + self.before), end - self.ahead + 1, self.stride, dtype=np.int64)


def series_of(config: DataConfig) -> Series | None:
    """The windows that a config asks for, or None. Raises ConfigError where they don't fit the rest of it."""
    window = config.window
    if window is None:
        return None
    problems = []
    if config.source.windows() is not None:
        problems.append(Problem(PLACE, "a stream of text is cut by its source's own length and stride"))
    own = [target.input is not None for target in config.targets.values()]
    if any(own) and not all(own):
        message = "either all targets are inputs, or all are columns of the rows that follow"
        problems.append(Problem(("data", "target"), message))
    if all(own) and window.horizon is not None:
        message = "the target is the window itself, which has no rows ahead"
        problems.append(Problem((*PLACE, "horizon"), message, help="leave horizon out, or name a column as the target"))
    for name, target in config.targets.items():
        if target.kind == "classes":
            place = ("data", "target", *([name] if isinstance(config.target, dict) else []), "kind")
            problems.append(Problem(place, "what follows a window is predicted as numbers"))
    if problems:
        raise ConfigError(problems)
    return Series(window.length, 0 if all(own) else window.horizon or 1, window.stride)


def series_split(split: SplitConfig) -> SplitConfig:
    """The split of a series: what comes later validates and tests. Raises ConfigError for one in another order."""
    if split.type == "folds" and not split.forward:
        message = "a series' folds follow each other: only what comes before one can train for it"
        raise ConfigError([Problem(("data", "split", "type"), message, help="add `forward: true` (--forward)")])
    if split.type in ("random", "stratified", "given") or split.group is not None:
        field = "group" if split.group is not None else "type"
        message = "a series is divided in its own order, or the past would be predicted from the future"
        raise ConfigError([Problem(("data", "split", field), message, help="use type: chronological")])
    return split.model_copy(update={"type": split.type or "chronological"})


@dataclass(frozen=True)
class Time:
    """The column that says when a row was, how its dates are written (None: ISO 8601), and its place in the config."""

    column: str
    format: str | None
    path: Path


def time_of(config: DataConfig, inputs: Mapping[str, Chosen]) -> Time | None:
    """The column that sorts the rows, or else the one of which an input's calendar is made."""
    found = None
    for chosen in inputs.values():
        for step in chosen.config.transforms or ():
            if isinstance(step, Calendar) and found is None:
                found = Time(chosen.columns[0], step.format, chosen.path)
    sort_by = config.split.sort_by
    if sort_by is None:
        return found
    return Time(sort_by, found.format if found and found.column == sort_by else None, SORT_BY)


def in_order(columns: Mapping[str, Column], arrays: Mapping[str, Array], time: Time | None) -> Array | None:
    """The order of the rows by their time, or None where they stand in it.

    Raises ConfigError for text that is no date, and where rows go back in time and no `sort_by` is there to sort them.
    """
    if time is None:
        return None
    ranks = _times(columns[time.column], arrays[time.column], time)
    back = np.flatnonzero(ranks[1:] < ranks[:-1])
    if not len(back):
        return None
    if time.path != SORT_BY:
        raise ConfigError(
            [
                Problem(
                    time.path,
                    f"row {back[0] + 1} of {time.column!r} is earlier than the row before it",
                    help=f"`split: {{type: chronological, sort_by: {time.column}}}` sorts the rows",
                )
            ]
        )
    return np.argsort(ranks, kind="stable")


def sorted_rows(raw: Raw, time: Time | None) -> Raw:
    """The rows in the order of their time. Raises ConfigError as `in_order` does, and for a source in given splits."""
    if len(raw.description.rows) > 1:
        listed = ", ".join(raw.description.rows)
        raise ConfigError([Problem(PLACE, f"a series is one table, this source comes in parts: {listed}")])
    order = in_order(raw.description.columns, raw.arrays, time)
    if order is None:
        return raw
    return Raw(raw.description, {name: array[order] for name, array in raw.arrays.items()})


def times_of(raw: Raw, time: Time) -> Array:
    """When each row was, (rows,): numbers as they are, text as dates. Raises ConfigError where a row lacks it."""
    return _times(raw.description.columns[time.column], raw.arrays[time.column], time)


def _times(column: Column, array: Array, time: Time) -> Array:
    if array.ndim > 1:
        raise ConfigError([Problem(time.path, f"column {column.name!r} holds arrays and gives no order")])
    if np.any(array < 0) if column.kind == "text" else np.isnan(array).any():
        raise ConfigError([Problem(time.path, f"column {column.name!r} has missing values and gives no order")])
    if column.kind != "text":
        return array
    try:
        return read_dates(column.values, time.format)[array]
    except DataError as error:
        raise ConfigError([Problem(time.path, f"column {column.name!r}: {error.message}", help=error.help)]) from None


def window_origins(series: Series, splits: Mapping[str, Array], limit: int | None) -> dict[str, Array]:
    """The rows at which the targets of each split's windows begin; raises ConfigError for a split without a window."""
    first = min(int(index[0]) for index in splits.values())
    result = {}
    for name, index in splits.items():
        begin, end = int(index[0]), int(index[-1]) + 1
        if len(index) != end - begin:
            raise DataError(
                f"the {name} rows don't follow each other",
                help="a series has no gaps: fill missing values (impute with another strategy than drop)",
            )
        result[name] = series.origins(begin, end, first)
        if not len(result[name]):
            raise ConfigError([_too_long(series, name, begin, end, first)])
    if limit is not None:
        result["train"] = result["train"][-limit:]
    return result


def _too_long(series: Series, name: str, begin: int, end: int, first: int) -> Problem:
    if series.before and end - begin >= series.ahead:
        message = f"the {name} split's {end - begin:,} rows are too few for a window of {series.length:,} rows"
        message += f" and the {series.horizon:,} after it" if begin == first else ""
        return Problem((*PLACE, "length"), message, help="shorten the window, or change the split")
    field = "horizon" if series.horizon else "length"
    message = f"the {name} split's {end - begin:,} rows are fewer than the {series.ahead:,} of a target"
    return Problem((*PLACE, field), message, help="shorten it, or change the split")


def window_feature(feature: Feature, rows: int) -> Feature:
    """The feature of windows of so many rows: its shape has the time first."""
    if feature.kind == "sequence":
        message = f"{feature.name!r} holds tokens, of which a series can't be made"
        raise ConfigError([Problem(PLACE, message)])
    flat = replace(feature, scale=(1.0,), offset=(0.0,)) if feature.stored_dtype == "uint8" else feature
    kind = "numbers" if feature.kind == "image" else feature.kind
    return replace(flat, shape=(rows, *feature.shape), stored_dtype="float32", kind=kind, overlapping=True)


def series_array(feature: FittedPipeline, raw: Mapping[str, Array], rows: Array, store: Store, label: str) -> Array:
    """The rows of a series through the transforms, (rows, *shape) float32, in the store."""
    array = store.array(label, (len(rows), *feature.shape), "float32")
    for start, index in chunks(feature.plan, rows):
        applied = feature.apply(gather(feature.plan, raw, index))
        array[start : start + len(index)] = real(applied, feature.layout)
    return array


def windows_of(array: Array, length: int, stride: int, first: int, count: int) -> Array:
    """Views (count, length, *row) of an array (rows, *row), the first from row `first` on."""
    views = np.lib.stride_tricks.sliding_window_view(array, length, axis=0)
    return np.moveaxis(views, -1, 1)[first::stride][:count]


def window_split(
    series: Series,
    origins: Array,
    begin: int,
    inputs: Mapping[str, Array],
    targets: Mapping[str, Array],
    shared: Mapping[str, str],
    names: Sequence[str],
    weights: Array | None,
) -> Split:
    """A split's windows: views of the series' arrays, whose first row is the series' row `begin`.

    `names` are the targets in order, of which `shared` says the inputs that they are. `index` are the rows at which
    targets begin, `weights` (windows,) theirs.
    """
    first, count = int(origins[0]) - begin, len(origins)
    past = {
        name: windows_of(array, series.length, series.stride, first - series.before, count)
        for name, array in inputs.items()
    }
    future = {
        name: past[shared[name]]
        if name in shared
        else windows_of(targets[name], series.ahead, series.stride, first, count)
        for name in names
    }
    return Split(past, future, weights, origins)
