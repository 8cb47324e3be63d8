"""What the global pools have in common: their fields, and the calls they are made of."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

from dlrun.kernels.global_pooling import (
    global_average_backward,
    global_average_forward,
    global_max_backward,
    global_max_forward,
)
from dlrun.kernels.masked_pooling import (
    masked_average_forward,
    masked_max_forward,
    masked_windows_average_backward,
    masked_windows_max_backward,
)
from dlrun.layers.base import Layer, Shape, expect_rank

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter
    from dlrun.plan import Buffer


class GlobalPool(Layer):
    """A layer that makes one number of each channel."""

    keepdims: bool = False
    """Whether the axes that are pooled stay, with extent 1."""

    reads_output: ClassVar[bool] = False
    rank: ClassVar[int]
    axes: ClassVar[str]

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return (channels,), after ones if the axes are kept."""
        expect_rank(self, inputs[0], self.rank, self.axes)
        return (1,) * (self.rank - 1) * self.keepdims + inputs[0][-1:]

    def flops(self, *inputs: Shape) -> int:
        """Return an operation for each entry."""
        return prod(inputs[0])


class GlobalPool1D(GlobalPool):
    """A global pool over sequences; where they have a mask, over their real positions."""

    rank: ClassVar[int] = 2
    axes: ClassVar[str] = "(steps, channels)"


class GlobalPool2D(GlobalPool):
    """A global pool over images."""

    rank: ClassVar[int] = 3
    axes: ClassVar[str] = "(height, width, channels)"


def _sizes(emit: Emitter) -> dict[str, Any]:
    *axes, channels = emit.input_shapes[0]
    return {"rows": emit.rows, "places" if emit.mask is None else "time": prod(axes), "channels": channels}


def max_forward(emit: Emitter) -> None:
    """Emit y = the largest entry of each channel; where it stands is saved."""
    common = {"x": emit.input, "y": emit.output, "winner": _winner(emit), **_sizes(emit)}
    if emit.mask is None:
        emit.call(global_max_forward, **common)
    else:
        emit.call(masked_max_forward, mask=emit.mask, **common)


def max_backward(emit: Emitter) -> None:
    """Emit dx = dy where the largest entries stood."""
    dx = emit.input_gradient()
    if dx is None:
        return
    common = {"dy": emit.output_gradient, "winner": _winner(emit), "dx": dx, **_sizes(emit)}
    if emit.mask is None:
        emit.call(global_max_backward, **common)
    else:
        emit.call(masked_windows_max_backward, out=1, **common)


def _winner(emit: Emitter) -> Buffer:
    return emit.saved("winner", emit.input_shapes[0][-1], "int32")


def average_forward(emit: Emitter) -> None:
    """Emit y = the mean of each channel."""
    common = {"x": emit.input, "y": emit.output, **_sizes(emit)}
    if emit.mask is None:
        emit.call(global_average_forward, **common)
    else:
        emit.call(masked_average_forward, mask=emit.mask, **common)


def average_backward(emit: Emitter) -> None:
    """Emit dx = dy spread evenly over the places."""
    dx = emit.input_gradient()
    if dx is None:
        return
    if emit.mask is None:
        emit.call(global_average_backward, dy=emit.output_gradient, dx=dx, **_sizes(emit))
    else:
        window: dict[str, Any] = {"out": 1, "size": emit.input_shapes[0][0], "stride": 1, "before": 0}
        emit.call(
            masked_windows_average_backward, dy=emit.output_gradient, mask=emit.mask, dx=dx, **window, **_sizes(emit)
        )
