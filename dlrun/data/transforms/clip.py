"""clip: values cut off at limits."""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
from pydantic import model_validator

from dlrun.data.dataset import Array
from dlrun.data.layout import Layout, real
from dlrun.data.transforms.base import Fitted, Transform, only_numbers


class Clip(Transform):
    """Replaces values below `minimum` by it, and values above `maximum` by that."""

    type: Literal["clip"] = "clip"
    minimum: float | None = None
    """The smallest value that passes; none when left out."""
    maximum: float | None = None
    """The largest value that passes; none when left out."""

    @model_validator(mode="after")
    def _limits(self) -> Self:
        if self.minimum is None and self.maximum is None:
            raise ValueError("clip needs a minimum, a maximum, or both")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"clip's minimum {self.minimum:g} is above its maximum {self.maximum:g}")
        return self

    def after(self, layout: Layout, fitted: Fitted | None) -> Layout:
        """The same shape."""
        only_numbers(self, layout)
        return layout.as_real().without_range()

    def apply(self, array: Array, layout: Layout, fitted: Fitted) -> Array:
        """The values within the limits; missing ones stay missing."""
        result: Array = np.clip(real(array, layout), self.minimum, self.maximum)
        return result
