"""What one_hot and categories share: the values of a column that occur in the training rows, in a stable order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from dlrun.data.dataset import Array
from dlrun.data.layout import Layout
from dlrun.data.transforms.base import Chunks, Fitted, Transform
from dlrun.errors import DataError, ShapeError

UNSEEN = -1


class CategoryTransform(Transform):
    """Learns each column's categories: text in the order of the alphabet, numbers by size."""

    widens: ClassVar[bool] = True

    def fit(self, chunks: Chunks, layout: Layout) -> dict[str, Any]:
        """{categories: a list of strings per column}; raises DataError for missing values."""
        found: list[set[Any]] = [set() for _ in range(layout.channels)]
        for chunk in chunks():
            self._refuse_missing(chunk, layout)
            for column in range(layout.channels):
                found[column].update(np.unique(chunk.reshape(len(chunk), layout.channels)[:, column]).tolist())
        if layout.kind == "text":
            return {"categories": [sorted(layout.values[i][code] for code in codes) for i, codes in enumerate(found)]}
        return {"categories": [[number_name(value) for value in sorted(values)] for values in found]}

    def indices(self, array: Array, layout: Layout, fitted: Fitted) -> Array:
        """The index of each value among its column's categories, (rows, columns) int32, UNSEEN for others."""
        self._refuse_missing(array, layout)
        flat = array.reshape(len(array), layout.channels)
        result = np.empty(flat.shape, np.int32)
        for column, categories in enumerate(fitted["categories"]):
            result[:, column] = _column_indices(flat[:, column], layout, column, categories)
        return result

    def refuse_unseen(self, indices: Array, array: Array, layout: Layout) -> None:
        """Raises DataError where a value did not occur in the training rows."""
        unseen = np.argwhere(indices == UNSEEN)
        if len(unseen):
            row, column = (int(entry) for entry in unseen[0])
            value = array.reshape(len(array), -1)[row, column]
            name = layout.values[column][int(value)] if layout.kind == "text" else number_name(value)
            raise DataError(
                f"column {layout.column_name(column)!r} holds {name!r}, which no training row does",
                help=f"{self.type} takes `unseen:` to say what becomes of such values",
            )

    def check_columns(self, layout: Layout) -> None:
        """Raises ShapeError unless the rows are columns of text or numbers."""
        if layout.kind == "category":
            raise ShapeError(f"{self.type} takes text or numbers, but the values already are category indices")
        if layout.kind in ("image", "tokens", "sequence") or len(layout.shape) > 1 or layout.stored:
            raise ShapeError(f"{self.type} takes columns, but got {layout.kind} of shape {layout.shape}")

    def _refuse_missing(self, array: Array, layout: Layout) -> None:
        missing = array < 0 if layout.kind == "text" else np.isnan(array)
        if missing.any():
            column = int(np.argwhere(missing.reshape(len(array), layout.channels))[0][1])
            raise DataError(
                f"column {layout.column_name(column)!r} has missing values, which {self.type} can't take",
                help="put {type: impute, strategy: mode} before it (or constant, or drop)",
            )


def number_name(value: float) -> str:
    """A number as the name of a category or class: 3.0 is "3"."""
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def lookup(names: Sequence[str], categories: Sequence[str]) -> Array:
    """The index of each name among the categories, int32, UNSEEN for the others."""
    position = {name: index for index, name in enumerate(categories)}
    return np.array([position.get(name, UNSEEN) for name in names], np.int32)


def _column_indices(column: Array, layout: Layout, index: int, categories: Sequence[str]) -> Array:
    if layout.kind == "text":
        table: Array = lookup(layout.values[index], categories)
        return table[column]
    known = np.array([float(name) for name in categories])
    place = np.minimum(np.searchsorted(known, column), len(known) - 1)
    return np.where(known[place] == column, place, UNSEEN)
