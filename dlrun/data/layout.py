"""What the rows of a feature look like on their way from a source through the transforms."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from dlrun.data.dataset import Array

LayoutKind = Literal["image", "numbers", "text", "category", "tokens", "sequence"]


@dataclass(frozen=True)
class Layout:
    """The rows of a feature between two transforms; arrays are (rows, *shape).

    "image" and "numbers" are uint8, with a pending `real = stored * scale + offset`, or float64 with NaN for missing.
    "text" is int32 codes (rows, columns) into `values`, the strings of each column, with -1 for missing.
    "category" is int32 indices into `values`. "tokens" is one array of int32 ids a row, each of its own length (dtype
    object), "sequence" is int32 ids (rows, length); `values[0]` is their vocabulary, whose first is padding.
    `range` is the span of the possible stored values, where it is known: (0, 255) of an image. `columns` names the
    entries of the last axis.
    """

    kind: LayoutKind
    shape: tuple[int, ...]
    dtype: str
    columns: tuple[str, ...] | None = None
    values: tuple[tuple[str, ...], ...] = ()
    scale: tuple[float, ...] = (1.0,)
    offset: tuple[float, ...] = (0.0,)
    range: tuple[float, float] | None = None

    @property
    def stored(self) -> bool:
        """Whether the array holds raw bytes, with the affine map still to be applied."""
        return self.dtype == "uint8"

    @property
    def channels(self) -> int:
        """The length of the last axis; 1 for single numbers."""
        return self.shape[-1] if self.shape else 1

    def scaled(self, factor: Array, shift: Array) -> Layout:
        """The layout after `real * factor + shift` was put on top of the pending affine map."""
        scale = np.asarray(self.scale) * factor
        offset = np.asarray(self.offset) * factor + shift
        return replace(self, scale=_numbers(scale), offset=_numbers(offset))

    def as_real(self) -> Layout:
        """The layout of the array that `real` returns."""
        if not self.stored:
            return self
        return replace(self, dtype="float64", scale=(1.0,), offset=(0.0,), range=None)

    def without_range(self) -> Layout:
        """The layout once the span of the values is no longer known."""
        return replace(self, range=None)

    def column_name(self, index: int) -> str:
        """How messages call one entry of the last axis."""
        return self.columns[index] if self.columns else f"number {index}"


def real(array: Array, layout: Layout) -> Array:
    """The float64 values behind an array: the pending affine map applied, or the array itself."""
    if not layout.stored:
        return array
    result: Array = array.astype(np.float64) * np.asarray(layout.scale) + np.asarray(layout.offset)
    return result


def _numbers(array: Array) -> tuple[float, ...]:
    flat = np.atleast_1d(array).astype(np.float64)
    if flat.size > 1 and np.all(flat == flat[0]):
        flat = flat[:1]
    return tuple(float(value) for value in flat)
