"""Polars tables as columns of arrays: what csv and parquet share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dlrun.data.dataset import Array
from dlrun.data.sources.base import Column, Description, MemoryStore, Raw, Source, Store
from dlrun.data.sources.files import file_stamp, find_path
from dlrun.errors import DataError, MissingExtra


class TableSource(Source):
    """A file of named columns. Text columns become codes, numbers float64 with NaN for what is missing."""

    path: str
    """The file; a relative path starts at the working folder, or at a folder of DLRUN_DATASETS."""

    def file(self) -> Path:
        """The file that is there; raises DataError."""
        found = find_path(self.path)
        if not found.is_file():
            raise DataError(f"{found} is a folder, expected a {self.type} file")
        return found

    def stamp(self) -> list[Any]:
        """The file's path, size and time."""
        return file_stamp([self.file()])

    def probe(self) -> Description:
        """Reads the file: a table's types show only in its rows."""
        return self.read(MemoryStore()).description

    def read(self, store: Store, columns: Collection[str] | None = None) -> Raw:
        """The columns asked for."""
        names = [name for name in self.names_in_file() if columns is None or name in columns]
        return frame_columns(self.frame(names), store, self.file())

    def outline(self) -> tuple[Mapping[str, Column | None], str | None]:
        """The names alone, and no target: only the config can say which column is to be predicted."""
        return dict.fromkeys(self.names_in_file()), None

    @abstractmethod
    def names_in_file(self) -> list[str]:
        """The names of the columns, from the file's head."""

    @abstractmethod
    def frame(self, columns: list[str]) -> Any:
        """The Polars frame of these columns; raises DataError."""


def polars(purpose: str) -> Any:
    """The module polars; raises MissingExtra where it is not installed."""
    try:
        import polars
    except ImportError:
        raise MissingExtra("polars", "tables", purpose) from None
    return polars


def frame_columns(frame: Any, store: Store, path: Path) -> Raw:
    """Converts a frame's columns; raises DataError for a type that is neither number nor text."""
    if frame.height == 0:
        raise DataError(f"{path} holds no rows")
    columns, arrays = {}, {}
    for series in frame.get_columns():
        column, values = _convert(series, path)
        arrays[column.name] = store.array(column.name, (frame.height,), column.dtype)
        arrays[column.name][:] = values
        columns[column.name] = column
    return Raw(Description(columns, {"all": frame.height}), arrays)


def _convert(series: Any, path: Path) -> tuple[Column, Array]:
    pl = polars("tables")
    dtype = series.dtype
    if dtype.is_numeric() or dtype == pl.Boolean:
        original = str(dtype).lower() if dtype != pl.Boolean else "bool"
        values = series.cast(pl.Float64).fill_null(float("nan")).to_numpy()
        return Column(series.name, "numbers", original=original), values
    if dtype.is_temporal():
        # ISO text sorts by time, which is what a chronological split needs.
        series = series.cast(pl.String)
    elif dtype == pl.Categorical or dtype == pl.Enum:
        series = series.cast(pl.String)
    elif dtype == pl.Null:
        return Column(series.name, "numbers"), np.full(len(series), np.nan)
    elif dtype != pl.String:
        raise DataError(f"column {series.name!r} of {path} is of type {dtype}, expected numbers or text")
    names = series.drop_nulls().unique().sort()
    codes = series.replace_strict(names, pl.arange(len(names), dtype=pl.Int32, eager=True), default=None)
    return (
        Column(series.name, "text", original="str", values=tuple(names.to_list())),
        codes.cast(pl.Int32).fill_null(-1).to_numpy(),
    )
