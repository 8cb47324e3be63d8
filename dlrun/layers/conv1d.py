"""The convolution over sequences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import PositiveInt

from dlrun.kernels.masks import mask_of_middles, mask_of_whole_windows
from dlrun.layers.base import MaskRule, Shape, expect_rank
from dlrun.layers.convolution import Convolution, check_dilation, check_groups
from dlrun.layers.geometry import Geometry
from dlrun.layers.windows import Window, window
from dlrun.plan import Buffer

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter


class Conv1D(Convolution):
    """A convolution over sequences (steps, channels), as over images of height 1.

    Of a padded sequence (with a mask) the outputs that stand for real steps are real: with padding "valid" those whose
    windows see real steps alone, else those whose windows' middle (of "causal" the end) is one.
    """

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

    mask_rule: ClassVar[MaskRule] = "make"

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

    def forward(self, emit: Emitter) -> None:
        """Emit the convolution, and the mask of its outputs if the input has one."""
        super().forward(emit)
        if emit.mask is not None:
            emit_mask(emit, emit.mask, self.geometry(emit.input_shapes[0]).x, self.padding)


def emit_mask(emit: Emitter, mask: Buffer, window: Window, padding: str) -> None:
    """Emit the mask of what is made of a sequence's windows."""
    common: dict[str, Any] = {
        "mask": mask, "y": emit.new_mask, "time": window.extent, "out": window.out, "stride": window.stride,
        "rows": emit.rows,
    }  # fmt: skip
    if padding == "valid":
        emit.call(mask_of_whole_windows, size=window.size, dilation=window.dilation, **common)
    else:
        span = (window.size - 1) * window.dilation
        middle = 0 if padding == "causal" else span // 2 - window.before
        emit.call(mask_of_middles, middle=middle, **common)
