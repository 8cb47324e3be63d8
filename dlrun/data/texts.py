"""The texts of a source as they stand there, for rows that a network sees as tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dlrun.data.config import DataConfig
from dlrun.data.dataset import Array
from dlrun.data.predict import saved_columns
from dlrun.data.reading import read_source


def source_texts(config: DataConfig, fitted: Mapping[str, Any], name: str, index: Array) -> list[str] | None:
    """The texts that an input was made of, of the rows with these numbers in the source, (n,); those of several columns
    stand below each other. None where the input isn't made of texts, or rows are windows of a series or a stream.

    Raises: DataError where the source can't be read any more.
    """
    columns = saved_columns(fitted, f"inputs/{name}")
    if config.window is not None or config.source.windows() is not None:
        return None
    if any(column.kind != "text" for column in columns.values()):
        return None
    raw, _ = read_source(config, tuple(columns))
    found = []
    for row in index:
        codes = [(raw.description.columns[each].values, int(raw.arrays[each][row])) for each in columns]
        found.append("\n".join(values[code] if code >= 0 else "" for values, code in codes))
    return found
