"""log1p: log(1 + x), for quantities of many magnitudes."""

from __future__ import annotations

from typing import Literal

import numpy as np

from dlrun.data.dataset import Array
from dlrun.data.layout import Layout, real
from dlrun.data.transforms.base import Fitted, Transform, only_numbers
from dlrun.errors import DataError


class Log1p(Transform):
    """Takes log(1 + x) of every value; every value must be above -1."""

    type: Literal["log1p"] = "log1p"

    def after(self, layout: Layout, fitted: Fitted | None) -> Layout:
        """The same shape."""
        only_numbers(self, layout)
        return layout.as_real().without_range()

    def apply(self, array: Array, layout: Layout, fitted: Fitted) -> Array:
        """log(1 + array); raises DataError where it is not defined."""
        values = real(array, layout)
        bad = np.argwhere(values <= -1.0)
        if len(bad):
            name = layout.column_name(int(bad[0][-1]) if layout.shape else 0)
            raise DataError(
                f"log1p needs values above -1, but {name!r} holds {values[tuple(bad[0])]:g}",
                help="clip with {type: clip, minimum: 0} before it, or leave the transform out",
            )
        result: Array = np.log1p(values)
        return result
