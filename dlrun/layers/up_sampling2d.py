"""Enlarging images."""

from __future__ import annotations

from math import floor
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dlrun.kernels.upsampling import bilinear_backward, bilinear_forward, nearest_backward, nearest_forward
from dlrun.layers.base import Layer, Shape, expect_rank
from dlrun.layers.windows import Pair, pair

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter


class UpSampling2D(Layer):
    """Enlarges images (height, width, channels) by whole factors."""

    type: Literal["up_sampling2d"] = "up_sampling2d"
    size: Pair = 2
    """By how much height and width grow."""
    interpolation: Literal["nearest", "bilinear"] = "nearest"
    """"nearest" repeats entries; "bilinear" draws lines between their centres."""

    reads_output: ClassVar[bool] = False

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the larger height and width."""
        expect_rank(self, inputs[0], 3, "(height, width, channels)")
        (height, width, channels), (down, right) = inputs[0], pair(self.size)
        return (height * down, width * right, channels)

    def forward(self, emit: Emitter) -> None:
        """Emit one call."""
        which = nearest_forward if self.interpolation == "nearest" else bilinear_forward
        emit.call(which, x=emit.input, y=emit.output, **self._sizes(emit))

    def backward(self, emit: Emitter) -> None:
        """Emit one call, if the gradient is wanted."""
        dx = emit.input_gradient()
        if dx is not None:
            which = nearest_backward if self.interpolation == "nearest" else bilinear_backward
            emit.call(which, dy=emit.output_gradient, dx=dx, **self._sizes(emit))

    def _sizes(self, emit: Emitter) -> dict[str, Any]:
        (height, width, channels), (down, right) = emit.input_shapes[0], pair(self.size)
        sizes = {
            "rows": emit.rows,
            "height": height,
            "width": width,
            "channels": channels,
            "down": down,
            "right": right,
        }
        if self.interpolation == "nearest":
            return sizes
        places = [*source_places(height, down), *source_places(width, right)]
        return {
            **sizes,
            "places": emit.constant("places", tuple(place for place, _ in places), "int32"),
            "shares": emit.constant("shares", tuple(share for _, share in places)),
        }


def source_places(extent: int, factor: int) -> list[tuple[int, float]]:
    """Return for each entry of an enlarged axis the entry below its centre, and the share of the next one.

    Centres stand at half-integers; beyond the outermost centres the axis goes on as it ends.
    """
    result = []
    for i in range(extent * factor):
        at = min(max((i + 0.5) / factor - 0.5, 0.0), extent - 1.0)
        low = min(floor(at), max(extent - 2, 0))
        result.append((low, at - low))
    return result
