"""one_hot: one number for each category."""

from __future__ import annotations

from typing import Literal

import numpy as np

from dlrun.data.dataset import Array
from dlrun.data.layout import Layout
from dlrun.data.transforms.base import Fitted
from dlrun.data.transforms.category import CategoryTransform


class OneHot(CategoryTransform):
    """Turns each column into one number per category: 1 for the row's own, 0 for the others.

    The categories are those of the training rows, text in the order of the alphabet, numbers by size.
    """

    type: Literal["one_hot"] = "one_hot"
    unseen: Literal["ignore", "error"] = "ignore"
    """What becomes of a value that no training row has: zeros only, or an error."""

    def after(self, layout: Layout, fitted: Fitted | None) -> Layout:
        """(columns,) → (sum of the columns' categories,)."""
        self.check_columns(layout)
        categories = fitted["categories"] if fitted is not None else [[] for _ in range(layout.channels)]
        names = tuple(f"{layout.column_name(i)}={name}" for i, found in enumerate(categories) for name in found)
        return Layout("numbers", (len(names),), "float64", names)

    def apply(self, array: Array, layout: Layout, fitted: Fitted) -> Array:
        """(rows, columns) → (rows, sum of categories) float64 of zeros and ones."""
        indices = self.indices(array, layout, fitted)
        if self.unseen == "error":
            self.refuse_unseen(indices, array, layout)
        parts = [
            (indices[:, column, np.newaxis] == np.arange(len(found))).astype(np.float64)
            for column, found in enumerate(fitted["categories"])
        ]
        return np.concatenate(parts, axis=1)
