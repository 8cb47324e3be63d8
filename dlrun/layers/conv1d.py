"""The convolution over sequences."""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveInt

from dlrun.layers.base import Shape, expect_rank
from dlrun.layers.convolution import Convolution, check_dilation, check_groups
from dlrun.layers.geometry import Geometry
from dlrun.layers.windows import Window, window


class Conv1D(Convolution):
    """A convolution over sequences (steps, channels), as over images of height 1."""

    type: Literal["conv1d"] = "conv1d"
    filters: PositiveInt
    """The number of output channels."""
    kernel_size: PositiveInt
    """How many steps a window has."""
    strides: PositiveInt = 1
    """How far the window moves."""
    padding: Literal["valid", "same", "causal"] = "valid"
    """"valid": windows within the sequence only; "same": zeros at both ends; "causal": zeros in front, so that no
    output sees a later step."""
    dilation_rate: PositiveInt = 1
    """How far apart the steps are that a window sees."""
    groups: PositiveInt = 1
    """Into how many groups channels and filters are split, each convolved by itself."""

    def geometry(self, shape: Shape) -> Geometry:
        """Return the sizes. Raises ShapeError where the window or the groups don't fit."""
        expect_rank(self, shape, 2, "(steps, channels)")
        check_dilation((1, self.strides), (1, self.dilation_rate))
        check_groups(shape[1], self.filters, self.groups)
        x = window(shape[0], self.kernel_size, self.strides, self.padding, self.dilation_rate)
        return Geometry(Window(1, 1, 1, 1, 0, 1), x, shape[1], self.filters, self.groups)

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return (out_steps, filters)."""
        return (self.geometry(inputs[0]).x.out, self.filters)

    def kernel_shape(self, shape: Shape) -> Shape:
        """Return (kernel_size, channels / groups, filters)."""
        return (self.kernel_size, shape[1] // self.groups, self.filters)
