"""The depthwise convolution over images."""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveInt

from dlrun.layers.base import Shape, expect_rank
from dlrun.layers.convolution import Convolution, check_dilation
from dlrun.layers.geometry import Geometry
from dlrun.layers.windows import Padding, Pair, pair, window


class DepthwiseConv2D(Convolution):
    """A convolution over images (height, width, channels) that keeps the channels apart: a conv2d of as many groups."""

    type: Literal["depthwise_conv2d"] = "depthwise_conv2d"
    kernel_size: Pair
    """The height and width of a window."""
    strides: Pair = 1
    """How far the window moves, down and to the right."""
    padding: Padding = "valid"
    """"valid": windows within the image only; "same": zeros around it, so that with strides 1 the size is kept."""
    dilation_rate: Pair = 1
    """How far apart the places are that a window sees."""
    depth_multiplier: PositiveInt = 1
    """How many outputs each channel gives."""

    def geometry(self, shape: Shape) -> Geometry:
        """Return the sizes. Raises ShapeError where the window doesn't fit."""
        expect_rank(self, shape, 3, "(height, width, channels)")
        size, strides, dilation = pair(self.kernel_size), pair(self.strides), pair(self.dilation_rate)
        check_dilation(strides, dilation)
        y, x = (window(shape[i], size[i], strides[i], self.padding, dilation[i]) for i in range(2))
        return Geometry(y, x, shape[2], shape[2] * self.depth_multiplier, shape[2])

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return (out_height, out_width, channels * depth_multiplier)."""
        geometry = self.geometry(inputs[0])
        return (geometry.y.out, geometry.x.out, geometry.filters)

    def kernel_shape(self, shape: Shape) -> Shape:
        """Return (kernel_height, kernel_width, channels, depth_multiplier)."""
        return (*pair(self.kernel_size), shape[2], self.depth_multiplier)
