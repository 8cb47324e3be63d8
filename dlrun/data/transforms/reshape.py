"""reshape: the same numbers in another shape."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Literal

from pydantic import field_validator

from dlrun.data.dataset import Array
from dlrun.data.layout import Layout, real
from dlrun.data.transforms.base import Fitted, Transform, only_numbers
from dlrun.errors import ShapeError


class Reshape(Transform):
    """Gives each row another shape; one entry may be -1 and is worked out. Three entries make an image."""

    type: Literal["reshape"] = "reshape"
    shape: tuple[int, ...]
    """The new shape of a row, such as [28, 28, 1]."""

    @field_validator("shape")
    @classmethod
    def _entries(cls, shape: tuple[int, ...]) -> tuple[int, ...]:
        if any(size == 0 or size < -1 for size in shape) or shape.count(-1) > 1:
            raise ValueError(f"a shape holds positive numbers and at most one -1, got {list(shape)}")
        return shape

    def after(self, layout: Layout, fitted: Fitted | None) -> Layout:
        """The new shape; raises ShapeError when the sizes differ."""
        only_numbers(self, layout)
        shape = self._resolved(layout)
        kind: Literal["image", "numbers"] = "image" if len(shape) == 3 else "numbers"
        columns = layout.columns if shape == layout.shape else None
        return replace(self._kept(layout, shape), shape=shape, kind=kind, columns=columns)

    def apply(self, array: Array, layout: Layout, fitted: Fitted) -> Array:
        """The same numbers."""
        shape = self._resolved(layout)
        kept = self._kept(layout, shape)
        return (array if kept is layout else real(array, layout)).reshape(len(array), *shape)

    def _kept(self, layout: Layout, shape: tuple[int, ...]) -> Layout:
        """Bytes can stay bytes unless their scale differs per channel and the channels move."""
        per_channel = max(len(layout.scale), len(layout.offset)) > 1
        return layout.as_real() if per_channel and shape[-1:] != layout.shape[-1:] else layout

    def _resolved(self, layout: Layout) -> tuple[int, ...]:
        size, known = prod(layout.shape), prod(entry for entry in self.shape if entry != -1)
        shape = tuple(size // known if entry == -1 else entry for entry in self.shape)
        if prod(shape) != size:
            raise ShapeError(
                f"can't reshape {layout.shape} ({size} numbers) to {list(self.shape)} ({known} numbers)", field="shape"
            )
        return shape
