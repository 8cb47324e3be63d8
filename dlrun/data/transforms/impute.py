"""impute: missing values filled in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, Self

import numpy as np
from pydantic import model_validator

from dlrun.data.dataset import Array
from dlrun.data.layout import Layout
from dlrun.data.transforms.base import Chunks, Fitted, Transform
from dlrun.errors import DataError, ShapeError


class Impute(Transform):
    """Fills missing values with the training rows' mean, median or mode per column, with a constant, or drops the rows.

    "mode" is the most frequent value, the smallest of several. "drop" leaves the rows with a missing value in these
    columns out of every split, before the rows are divided. Text takes "mode", "constant" and "drop".
    """

    type: Literal["impute"] = "impute"
    strategy: Literal["mean", "median", "mode", "constant", "drop"] = "mean"
    """What takes the place of a missing value."""
    value: float | str | None = None
    """The constant of strategy "constant"."""

    @model_validator(mode="after")
    def _constant(self) -> Self:
        if self.strategy == "constant" and self.value is None:
            raise ValueError("impute with strategy 'constant' needs a value")
        if self.strategy != "constant" and self.value is not None:
            raise ValueError(f"impute uses a value only with strategy 'constant', not {self.strategy!r}")
        return self

    def drops_rows(self) -> bool:
        """Whether the strategy is "drop"."""
        return self.strategy == "drop"

    def after(self, layout: Layout, fitted: Fitted | None) -> Layout:
        """The same shape; text gains the constant as a value where it is new."""
        if layout.kind == "category":
            raise ShapeError("category indices have no missing values", help="put impute before categories")
        if layout.kind in ("tokens", "sequence"):
            raise ShapeError("tokens have no missing values", help="put impute before tokenize")
        if layout.kind != "text":
            if isinstance(self.value, str):
                raise ShapeError(f"these columns are numbers, {self.value!r} is text", field="value")
            return layout
        if self.strategy in ("mean", "median"):
            raise ShapeError(
                f"text has no {self.strategy}", field="strategy", help="use mode, constant or drop for text"
            )
        if self.strategy != "constant":
            return layout
        added = tuple(names if self._text in names else (*names, self._text) for names in layout.values)
        return replace(layout, values=added)

    def fit(self, chunks: Chunks, layout: Layout) -> dict[str, Any]:
        """{value: (columns,) float64, or a list of strings for text}; raises DataError for a column without any."""
        if self.strategy in ("constant", "drop"):
            return {}
        rows = np.concatenate([chunk.reshape(-1, layout.channels) for chunk in chunks()])
        learned = [self._learn(rows[:, column], layout, column) for column in range(layout.channels)]
        return {"value": learned if layout.kind == "text" else np.array(learned)}

    def apply(self, array: Array, layout: Layout, fitted: Fitted) -> Array:
        """The array without missing values; rows of strategy "drop" were dropped before."""
        if self.strategy == "drop" or layout.stored:
            return array
        if layout.kind != "text":
            value: Any = self.value if self.strategy == "constant" else np.asarray(fitted["value"])
            return np.where(np.isnan(array), value, array)
        names = [self._text] * layout.channels if self.strategy == "constant" else fitted["value"]
        result = array.copy()
        for column, name in enumerate(names):
            known = self.after(layout, fitted).values[column]
            missing = result[:, column] < 0
            # A file to predict on may lack the training rows' most frequent value: it then stays missing and the
            # next transform says so.
            result[missing, column] = known.index(name) if name in known else -1
        return result

    @property
    def _text(self) -> str:
        return f"{self.value:g}" if isinstance(self.value, float) else str(self.value)

    def _learn(self, column: Array, layout: Layout, index: int) -> Any:
        known = column[column >= 0] if layout.kind == "text" else column[~np.isnan(column)]
        if not len(known):
            name = layout.column_name(index)
            raise DataError(
                f"column {name!r} has no value in any training row, so it has no {self.strategy}",
                help="leave the column out, or impute a constant",
            )
        if self.strategy == "mean":
            return known.mean()
        if self.strategy == "median":
            return np.median(known)
        values, counts = np.unique(known, return_counts=True)
        if layout.kind != "text":
            return values[np.argmax(counts)]
        names = layout.values[index]
        return min((names[code] for code in values[counts == counts.max()]), key=str)
