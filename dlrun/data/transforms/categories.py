"""categories: the index of each category, for an embedding."""

from __future__ import annotations

from typing import Literal

import numpy as np

from dlrun.data.dataset import Array
from dlrun.data.layout import Layout
from dlrun.data.transforms.base import Fitted
from dlrun.data.transforms.category import UNSEEN, CategoryTransform

EXTRA = "<unseen>"


class Categories(CategoryTransform):
    """Turns each value into its category's index, for an embedding layer.

    The categories are those of the training rows, text in the order of the alphabet, numbers by size. One column
    gives one index per row, shape (); several give (columns,).
    """

    type: Literal["categories"] = "categories"
    unseen: Literal["error", "extra"] = "error"
    """What becomes of a value that no training row has: an error, or one more index behind the others."""

    def after(self, layout: Layout, fitted: Fitted | None) -> Layout:
        """(columns,) → (columns,), or () for one column, int32."""
        self.check_columns(layout)
        categories = fitted["categories"] if fitted is not None else [[] for _ in range(layout.channels)]
        extra = (EXTRA,) if self.unseen == "extra" else ()
        values = tuple((*found, *extra) for found in categories)
        shape = () if layout.channels == 1 else (layout.channels,)
        return Layout("category", shape, "int32", layout.columns, values)

    def apply(self, array: Array, layout: Layout, fitted: Fitted) -> Array:
        """(rows, columns) → (rows, columns) or (rows,) int32."""
        indices = self.indices(array, layout, fitted)
        if self.unseen == "error":
            self.refuse_unseen(indices, array, layout)
        sizes = np.array([len(found) for found in fitted["categories"]], np.int32)
        result: Array = np.where(indices == UNSEEN, sizes, indices).astype(np.int32)
        return result[:, 0] if layout.channels == 1 else result
