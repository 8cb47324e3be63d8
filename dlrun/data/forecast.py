"""The end of a series, and what is forecast put behind it: the next window, and the next date."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dlrun.data.config import DataConfig
from dlrun.data.dataset import Array, Split
from dlrun.data.dates import continue_dates
from dlrun.data.layout import real
from dlrun.data.pipeline import fit, gather
from dlrun.data.predict import input_plans, read_columns, rows_in_order, saved_columns, series_time
from dlrun.data.reading import read_source
from dlrun.data.series import Series, Time, series_of
from dlrun.data.signature import Feature, Signature
from dlrun.data.sources.base import Column
from dlrun.errors import DataError, UsageError

KEPT = 64
"""Rows that are kept at least, of which the distance of dates is seen, however short a window is."""


class Ending:
    """The last rows of a series, in their order: a window at least."""

    def __init__(
        self, config: DataConfig, fitted: Mapping[str, Any], signature: Signature, files: Sequence[Path]
    ) -> None:
        """Reads them from a file, or from the run's own source where there is none; raises DataError, UsageError."""
        series = series_of(config)
        if series is None or not series.horizon:
            raise UsageError("only a series is forecast: this run predicts nothing that follows its inputs")
        self.series: Series = series
        self.config, self.fitted, self.signature = config, fitted, signature
        arrays, self.columns = self._read(files)
        plans = input_plans(config, fitted, signature, self.columns)
        self.time: Time | None = series_time(config, plans)
        ordered = rows_in_order(config, plans, arrays, self.columns)
        self.rows = len(next(iter(ordered.values())))
        if self.rows < series.length:
            raise DataError(f"a forecast starts from {series.length:,} rows, there are {self.rows:,}")
        self.kept = max(series.length, KEPT)
        self.arrays = {name: np.array(array[-self.kept :]) for name, array in ordered.items()}

    def window(self) -> Split:
        """The window at the end, through the transforms as they were fitted: one row."""
        plans = input_plans(self.config, self.fitted, self.signature, self.columns)
        rows = np.arange(-self.series.length, 0)
        inputs = {}
        for name, plan in plans.items():
            feature = fit(plan, self.arrays, rows, self.fitted)
            applied = real(feature.apply(gather(plan, self.arrays, rows)), feature.layout)
            inputs[name] = applied.astype(np.float32)[np.newaxis]
        return Split(inputs, {}, None, np.array([self.rows], np.int64))

    def times(self, count: int) -> list[str] | list[float] | None:
        """When the next rows are, as the column of time goes on; None where no column says so."""
        if self.time is None:
            return None
        column, array = self.columns[self.time.column], self.arrays[self.time.column]
        if column.kind == "text":
            return continue_dates([column.values[code] for code in array], count, self.time.format)
        if len(array) < 2:
            raise DataError(f"one row of {column.name!r} alone doesn't say how far apart the next ones are")
        step = float(np.median(np.diff(array)))
        return [float(array[-1] + step * (i + 1)) for i in range(count)]

    def check_goes_on(self) -> None:
        """Raises UsageError unless every column of the inputs is forecast, or is the time."""
        known = {name for target in self.signature.targets.values() for name in column_names(target)}
        known |= {self.time.column} if self.time else set()
        missing = [name for name in self.columns if name not in known]
        if missing:
            listed = ", ".join(repr(name) for name in missing)
            raise UsageError(
                f"the run forecasts {self.series.horizon} rows, and not {listed}, which those after them would need",
                f"--horizon {self.series.horizon}, or a run whose target has these columns too",
            )

    def append(self, forecast: Mapping[str, Array]) -> None:
        """Puts forecast rows behind the others, by column in the data's units, each (rows,)."""
        count = len(next(iter(forecast.values())))
        times = self.times(count)
        for name, array in self.arrays.items():
            if self.time is not None and name == self.time.column:
                assert times is not None
                column, added = _with_times(self.columns[name], times)
                self.columns = {**self.columns, name: column}
            else:
                added = forecast[name]
            self.arrays[name] = np.concatenate([array, added])[-self.kept :]
        self.rows += count

    def _read(self, files: Sequence[Path]) -> tuple[Mapping[str, Array], Mapping[str, Column]]:
        if files:
            return read_columns(self.config, self.fitted, self.signature, files)
        parts = [f"inputs/{name}" for name in self.signature.inputs]
        parts += ["series"] if "series/columns" in self.fitted else []
        wanted = tuple(dict.fromkeys(name for part in parts for name in saved_columns(self.fitted, part)))
        self.config.source.fetch()
        raw, _ = read_source(self.config, wanted)
        return raw.arrays, {name: raw.description.columns[name] for name in wanted}


def column_names(target: Feature) -> Sequence[str]:
    """The columns that are forecast, of a target of shape (horizon,) or (horizon, columns)."""
    if target.columns is not None:
        return target.columns
    count = int(np.prod(target.shape[1:]))
    return [target.name] if count == 1 else [f"{target.name}/{i}" for i in range(count)]


def _with_times(column: Column, times: list[str] | list[float]) -> tuple[Column, Array]:
    """(the column with these among its values, what stands for them in its array)."""
    if column.kind != "text":
        return column, np.array(times, np.float64)
    added = [str(time) for time in times]
    codes = np.arange(len(column.values), len(column.values) + len(added), dtype=np.int32)
    return replace(column, values=(*column.values, *added)), codes
