"""What the pools have in common: their fields, and the calls they are made of."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import PositiveInt

from dlrun.kernels.masked_pooling import (
    masked_windows_average_backward,
    masked_windows_average_forward,
    masked_windows_max_backward,
    masked_windows_max_forward,
)
from dlrun.kernels.pooling import (
    average_pool_backward,
    average_pool_forward,
    max_pool_backward,
    max_pool_forward,
    max_pool_large_backward,
    max_pool_large_forward,
)
from dlrun.layers.base import Layer, MaskRule, Shape, expect_rank
from dlrun.layers.geometry import Geometry
from dlrun.layers.windows import Padding, Pair, Window, pair, window

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter

BYTE_TAPS = 256
"""Up to this many places in a window, which of them won fits into a byte."""


class Pool(Layer):
    """A layer that makes one number of each window, channel by channel. A subclass gives `geometry`."""

    padding: Padding = "valid"
    """"valid": windows within the input only; "same": also those that reach beyond it, whose part within counts."""

    reads_output: ClassVar[bool] = False
    takes_largest: ClassVar[bool] = False
    """Whether the number is the window's largest."""

    def geometry(self, shape: Shape) -> Geometry:
        """Return the sizes over an input of this shape. Raises ShapeError where the window doesn't fit."""
        raise TypeError(f"{type(self).__name__} gives no geometry")

    def flops(self, *inputs: Shape) -> int:
        """Return an operation for each place of each window."""
        geometry = self.geometry(inputs[0])
        return geometry.taps * geometry.y.out * geometry.x.out * geometry.channels


class Pool2D(Pool):
    """A pool over images."""

    pool_size: Pair = 2
    """The height and width of a window."""
    strides: Pair | None = None
    """How far the window moves, down and to the right; as far as it is large when left out."""

    def geometry(self, shape: Shape) -> Geometry:
        """Return the sizes. Raises ShapeError where the window doesn't fit."""
        expect_rank(self, shape, 3, "(height, width, channels)")
        size, strides = pair(self.pool_size), pair(self.strides or self.pool_size)
        y, x = (window(shape[i], size[i], strides[i], self.padding, field="pool_size") for i in range(2))
        return Geometry(y, x, shape[2], shape[2], shape[2])

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return (out_height, out_width, channels)."""
        geometry = self.geometry(inputs[0])
        return (geometry.y.out, geometry.x.out, geometry.channels)


class Pool1D(Pool):
    """A pool over sequences; where they have a mask, over the real positions of each window."""

    pool_size: PositiveInt = 2
    """How many steps a window has."""
    strides: PositiveInt | None = None
    """How far the window moves; as far as it is large when left out."""

    mask_rule: ClassVar[MaskRule] = "make"

    def geometry(self, shape: Shape) -> Geometry:
        """Return the sizes, as of an image of height 1. Raises ShapeError where the window doesn't fit."""
        expect_rank(self, shape, 2, "(steps, channels)")
        x = window(shape[0], self.pool_size, self.strides or self.pool_size, self.padding, field="pool_size")
        return Geometry(Window(1, 1, 1, 1, 0, 1), x, shape[1], shape[1], shape[1])

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return (out_steps, channels)."""
        geometry = self.geometry(inputs[0])
        return (geometry.x.out, geometry.channels)


def max_forward(emit: Emitter, geometry: Geometry) -> None:
    """Emit y = the largest entry of each window; which one it was is saved."""
    if emit.mask is not None:
        emit.call(
            masked_windows_max_forward, x=emit.input, mask=emit.mask, y=emit.output, new_mask=emit.new_mask,
            winner=emit.saved("winner", prod(emit.output_shape), "int32"), **_window(emit, geometry),
        )  # fmt: skip
        return
    large = geometry.taps > BYTE_TAPS
    emit.call(
        max_pool_large_forward if large else max_pool_forward, x=emit.input, y=emit.output,
        winner=emit.saved("winner", prod(emit.output_shape), "int32" if large else "uint8"),
        geometry=emit.constant("geometry", geometry.constants(), "int64"), rows=emit.rows,
    )  # fmt: skip


def max_backward(emit: Emitter, geometry: Geometry) -> None:
    """Emit dx = dy at the entries that won."""
    dx = emit.input_gradient()
    large = geometry.taps > BYTE_TAPS
    if dx is not None and emit.mask is not None:
        (time, channels), out = emit.input_shapes[0], geometry.x.out
        emit.call(
            masked_windows_max_backward, dy=emit.output_gradient, dx=dx, rows=emit.rows, time=time, out=out,
            channels=channels, winner=emit.saved("winner", prod(emit.output_shape), "int32"),
        )  # fmt: skip
    elif dx is not None:
        emit.call(
            max_pool_large_backward if large else max_pool_backward, dy=emit.output_gradient, dx=dx,
            winner=emit.saved("winner", prod(emit.output_shape), "int32" if large else "uint8"),
            geometry=emit.constant("geometry", geometry.constants(), "int64"), rows=emit.rows,
        )  # fmt: skip


def average_forward(emit: Emitter, geometry: Geometry) -> None:
    """Emit y = the mean of each window."""
    if emit.mask is not None:
        emit.call(
            masked_windows_average_forward, x=emit.input, mask=emit.mask, y=emit.output, new_mask=emit.new_mask,
            **_window(emit, geometry),
        )  # fmt: skip
        return
    constants = emit.constant("geometry", geometry.constants(), "int64")
    emit.call(average_pool_forward, x=emit.input, y=emit.output, geometry=constants, rows=emit.rows)


def average_backward(emit: Emitter, geometry: Geometry) -> None:
    """Emit dx = dy spread evenly over each window."""
    dx = emit.input_gradient()
    if dx is not None and emit.mask is not None:
        emit.call(
            masked_windows_average_backward, dy=emit.output_gradient, mask=emit.mask, dx=dx, **_window(emit, geometry)
        )
    elif dx is not None:
        constants = emit.constant("geometry", geometry.constants(), "int64")
        emit.call(average_pool_backward, dy=emit.output_gradient, dx=dx, geometry=constants, rows=emit.rows)


def _window(emit: Emitter, geometry: Geometry) -> dict[str, Any]:
    """Return the sizes that kernels of masked sequences take."""
    x = geometry.x
    return {
        "rows": emit.rows, "time": x.extent, "out": x.out, "size": x.size, "stride": x.stride, "before": x.before,
        "channels": geometry.channels,
    }  # fmt: skip
