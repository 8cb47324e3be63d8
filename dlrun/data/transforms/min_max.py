"""min_max: the training rows' range onto a given one."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from dlrun.data.dataset import Array
from dlrun.data.layout import Layout
from dlrun.data.transforms.base import Affine, Chunks, Fitted, real_chunks


class MinMax(Affine):
    """Maps the range that the training rows have, per column or image channel, onto `minimum` .. `maximum`.

    Other rows may fall outside; `clip` after it cuts them off. A column that never varies becomes `minimum`.
    """

    type: Literal["min_max"] = "min_max"
    minimum: float = 0.0
    """What the smallest training value becomes."""
    maximum: float = 1.0
    """What the largest training value becomes."""

    def fit(self, chunks: Chunks, layout: Layout) -> dict[str, Any]:
        """{low, high}, each (channels,), missing values left out."""
        low = np.full(layout.channels, np.inf)
        high = np.full(layout.channels, -np.inf)
        for chunk in real_chunks(chunks, layout):
            low = np.fmin(low, np.fmin.reduce(chunk, axis=0, initial=np.inf))
            high = np.fmax(high, np.fmax.reduce(chunk, axis=0, initial=-np.inf))
        empty = low > high
        return {"low": np.where(empty, 0.0, low), "high": np.where(empty, 0.0, high)}

    def affine(self, layout: Layout, fitted: Fitted) -> tuple[Array, Array]:
        """The map from (low, high) onto (minimum, maximum)."""
        low, high = np.asarray(fitted["low"]), np.asarray(fitted["high"])
        span = np.where(high > low, high - low, 1.0)
        factor = (self.maximum - self.minimum) / span
        return factor, self.minimum - low * factor
