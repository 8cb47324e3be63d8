"""NumPy arrays as columns: what npz, npy and files to predict on share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from dlrun.data.dataset import Array
from dlrun.data.sources.base import Column, Description, Raw
from dlrun.errors import DataError

TARGETS = ("y", "label", "labels", "target", "targets")
SPLIT_NAMES = {"train": "train", "validation": "validation", "val": "validation", "valid": "validation", "test": "test"}
SPLIT = re.compile(r"(?P<column>.+)_(?P<split>train|validation|valid|val|test)")


def array_column(name: str, shape: tuple[int, ...], dtype: np.dtype[np.generic], path: Path | str) -> Column:
    """The column of an array (rows, ...) of this dtype; raises DataError for what is neither number nor text.

    Bytes of shape (rows, h, w) or (rows, h, w, 1, 3 or 4) are images.
    """
    if not shape:
        raise DataError(f"{name!r} in {path} is a single value, expected an array with a row for each sample")
    row = shape[1:]
    if dtype.kind == "U":
        if row:
            raise DataError(f"{name!r} in {path} is text of shape {shape}, expected one text a row")
        return Column(name, "text", original="str")
    if dtype.kind not in "buif":
        raise DataError(f"{name!r} in {path} is of dtype {dtype}, expected numbers or text")
    if dtype == np.uint8 and (len(row) == 2 or (len(row) == 3 and row[2] in (1, 3, 4))):
        return Column(name, "image", row if len(row) == 3 else (*row, 1), "uint8", range=(0.0, 255.0))
    span = (0.0, 255.0) if dtype == np.uint8 else None
    return Column(name, "numbers", () if row == (1,) else row, str(dtype), range=span)


def describe_arrays(heads: Mapping[str, tuple[tuple[int, ...], np.dtype[np.generic]]], path: Path | str) -> Description:
    """Columns and rows from the arrays' shapes and dtypes; `x_train`, `x_test` ... are one column with splits."""
    groups = group_splits(list(heads))
    columns: dict[str, Column] = {}
    rows: dict[str, int] = {}
    for name, parts in groups.items():
        for split, key in parts.items():
            shape, dtype = heads[key]
            column = array_column(name, shape, dtype, path)
            if columns.setdefault(name, column) != column:
                raise DataError(f"{key!r} in {path} has another shape or dtype than the other parts of {name!r}")
            if rows.setdefault(split, shape[0]) != shape[0]:
                raise DataError(f"{key!r} in {path} has {shape[0]} rows, but another array there has {rows[split]}")
    if not columns or not sum(rows.values()):
        raise DataError(f"{path} holds no rows")
    target = next((name for name in TARGETS if name in columns and len(columns) > 1), None)
    order = ("all", "train", "validation", "test")
    ordered: dict[str, int] = {split: rows[split] for split in order if split in rows}
    return Description(columns, ordered, target)


def group_splits(keys: list[str]) -> dict[str, dict[str, str]]:
    """{column: {split: key}}; the split is "all" unless every key ends in one and each column has the same."""
    matches = {key: SPLIT.fullmatch(key) for key in keys}
    groups: dict[str, dict[str, str]] = {}
    for key, match in matches.items():
        if match is not None:
            groups.setdefault(match["column"], {})[SPLIT_NAMES[match["split"]]] = key
    alike = len({frozenset(parts) for parts in groups.values()}) == 1
    if all(matches.values()) and alike and "train" in next(iter(groups.values())):
        return groups
    return {key: {"all": key} for key in keys}


def read_arrays(description: Description, groups: Mapping[str, Mapping[str, str]], load: Mapping[str, Array]) -> Raw:
    """Lays the splits of each column one after the other; arrays in one part are used as they are, without a copy."""
    columns = dict(description.columns)
    arrays: dict[str, Array] = {}
    for name, parts in groups.items():
        pieces = [load[parts[split]] for split in description.rows]
        array = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
        column = columns[name]
        if column.kind == "text":
            values, codes = np.unique(array, return_inverse=True)
            columns[name] = Column(name, "text", original="str", values=tuple(str(value) for value in values))
            array = codes.reshape(-1).astype(np.int32)
        arrays[name] = array.reshape(len(array), *column.shape)
    return Raw(Description(columns, description.rows, description.target), arrays)
