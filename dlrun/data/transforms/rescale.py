"""rescale: a known range of values onto another."""

from __future__ import annotations

from typing import Literal

import numpy as np

from dlrun.data.dataset import Array
from dlrun.data.layout import Layout
from dlrun.data.transforms.base import Affine, Fitted, only_numbers
from dlrun.errors import ShapeError


class Rescale(Affine):
    """Maps the range that the values can have, 0 to 255 for images, onto `minimum` .. `maximum`.

    It learns nothing from the data; `min_max` uses the range that the training rows do have.
    Images stay bytes in memory. An image input without any transforms is rescaled to 0 .. 1.
    """

    type: Literal["rescale"] = "rescale"
    minimum: float = 0.0
    """What the smallest possible value becomes."""
    maximum: float = 1.0
    """What the largest possible value becomes."""
    source_range: tuple[float, float] | None = None
    """The smallest and largest possible value; known for images, needed for other numbers."""

    def affine(self, layout: Layout, fitted: Fitted) -> tuple[Array, Array]:
        """The map from the source range onto the target range."""
        low, high = self._range(layout)
        factor = (self.maximum - self.minimum) / (high - low)
        return np.float64(factor), np.float64(self.minimum - low * factor)  # type: ignore[return-value]

    def after(self, layout: Layout, fitted: Fitted | None) -> Layout:
        """The same shape."""
        only_numbers(self, layout)
        self._range(layout)
        return super().after(layout, fitted or {})

    def _range(self, layout: Layout) -> tuple[float, float]:
        """The range of the real values that arrive here."""
        span = self.source_range
        if span is None and layout.range is not None:
            scale, offset = np.asarray(layout.scale), np.asarray(layout.offset)
            ends = np.stack([layout.range[0] * scale + offset, layout.range[1] * scale + offset])
            span = (float(ends.min()), float(ends.max()))
        if span is None:
            raise ShapeError(
                "rescale doesn't know the range of these values",
                help="give source_range: [smallest, largest], or use min_max, which learns it from the training rows",
            )
        if span[0] >= span[1]:
            raise ShapeError(f"the range {span[0]:g} .. {span[1]:g} is empty", field="source_range")
        return span
