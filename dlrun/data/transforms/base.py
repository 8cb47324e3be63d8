"""What every transform is: a function of arrays that may learn something from the training rows first."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from dlrun.data.dataset import Array
from dlrun.data.layout import Layout, real
from dlrun.errors import ShapeError
from dlrun.registry import Component

Fitted = Mapping[str, Any]
"""What one transform learned: JSON-able values and float64 arrays by name."""

Chunks = Callable[[], Iterator[Array]]
"""Gives the training rows, as they arrive at a transform, chunk by chunk; may be called again."""


class Transform(Component):
    """A step between the raw columns of a source and what the network sees.

    `after` is its shape inference, `fit` learns from the training rows, `apply` maps rows; the three agree on the
    layout. `after` is given `fitted=None` before any data was read, unless `widens` says that it needs it.
    """

    widens: ClassVar[bool] = False
    """Whether the shape that comes out depends on the data."""

    @abstractmethod
    def after(self, layout: Layout, fitted: Fitted | None) -> Layout:
        """The layout that comes out; raises ShapeError when the transform can't take `layout`."""

    def fit(self, chunks: Chunks, layout: Layout) -> dict[str, Any]:
        """What must be learned from the training rows; raises DataError when they don't allow it."""
        return {}

    @abstractmethod
    def apply(self, array: Array, layout: Layout, fitted: Fitted) -> Array:
        """The rows transformed: (rows, *layout.shape) → (rows, *after.shape)."""

    def drops_rows(self) -> bool:
        """Whether rows with missing values are left out of every split."""
        return False

    def inverse(self, layout: Layout, fitted: Fitted) -> tuple[Array, Array] | None:
        """The (factor, shift) that leads back to the units that came in, where the transform is affine."""
        return None


class Affine(Transform):
    """A transform `real * factor + shift`: bytes stay bytes, and the executor does the arithmetic."""

    @abstractmethod
    def affine(self, layout: Layout, fitted: Fitted) -> tuple[Array, Array]:
        """(factor, shift), each one number or one per entry of the last axis, float64."""

    def after(self, layout: Layout, fitted: Fitted | None) -> Layout:
        """The same shape."""
        only_numbers(self, layout)
        if not layout.stored:
            return replace(layout, range=None)
        if fitted is None:
            return layout
        factor, shift = self.affine(layout, fitted)
        return layout.scaled(factor, shift)

    def apply(self, array: Array, layout: Layout, fitted: Fitted) -> Array:
        """`array * factor + shift`, or the bytes as they are."""
        if layout.stored:
            return array
        factor, shift = self.affine(layout, fitted)
        result: Array = array * factor + shift
        return result

    def inverse(self, layout: Layout, fitted: Fitted) -> tuple[Array, Array] | None:
        """(1/factor, -shift/factor)."""
        factor, shift = self.affine(layout, fitted)
        return 1.0 / factor, -shift / factor


def only_numbers(transform: Transform, layout: Layout) -> None:
    """Raises ShapeError unless the rows are numbers."""
    if layout.kind in ("image", "numbers"):
        return
    what = {"category": "category indices", "text": "text"}.get(layout.kind, "tokens")
    columns = ", ".join(repr(name) for name in layout.columns or ("the input",))
    raise ShapeError(
        f"{transform.type} takes numbers, but {columns} holds {what}",
        help="one_hot and categories turn text into numbers",
    )


def only_images(transform: Transform, layout: Layout) -> tuple[int, int, int]:
    """The (height, width, channels) of images; raises ShapeError for anything else."""
    if layout.kind != "image" or len(layout.shape) != 3:
        raise ShapeError(f"{transform.type} takes images, but got {layout.kind} of shape {layout.shape}")
    height, width, channels = layout.shape
    return height, width, channels


def real_chunks(chunks: Chunks, layout: Layout) -> Iterator[Array]:
    """The training rows as float64 (rows x positions, channels): what per-column statistics are made of."""
    for chunk in chunks():
        yield real(chunk, layout).reshape(-1, layout.channels).astype(np.float64, copy=False)
