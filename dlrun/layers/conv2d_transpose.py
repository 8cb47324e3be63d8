"""The transposed convolution over images."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import NonNegativeInt, PositiveInt

from dlrun.errors import ShapeError
from dlrun.kernels.products import NO_LIMIT
from dlrun.layers.base import Shape, expect_rank
from dlrun.layers.chunks import emit_combination
from dlrun.layers.convolution import (
    Convolution,
    bias_of,
    check_dilation,
    emit_bias_partials,
    emit_forward,
    emit_input_gradient,
    emit_weight_gradient,
)
from dlrun.layers.geometry import Geometry
from dlrun.layers.windows import Padding, Pair, Window, pair

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter


class Conv2DTranspose(Convolution):
    """The transpose of a convolution over images (height, width, channels): with strides it enlarges them."""

    type: Literal["conv2d_transpose"] = "conv2d_transpose"
    filters: PositiveInt
    """The number of output channels."""
    kernel_size: Pair
    """The height and width of a window."""
    strides: Pair = 1
    """How far apart the input's places come to lie in the output."""
    padding: Padding = "valid"
    """"valid": the output has every place that a window touches; "same": it is `strides` times as large as the
    input."""
    output_padding: NonNegativeInt | tuple[NonNegativeInt, NonNegativeInt] | None = None
    """Rows and columns added to the smallest output, less than `strides`; as many as give the usual size when left
    out."""
    dilation_rate: Pair = 1
    """How far apart the places are that a window touches."""

    pools: ClassVar[bool] = False
    kernel_ends_in_outputs: ClassVar[bool] = False

    def geometry(self, shape: Shape) -> Geometry:
        """Return the sizes of the convolution that this one transposes, from the output to the input."""
        expect_rank(self, shape, 3, "(height, width, channels)")
        size, strides, dilation = pair(self.kernel_size), pair(self.strides), pair(self.dilation_rate)
        check_dilation(strides, dilation)
        extra = self.output_padding if isinstance(self.output_padding, tuple) else (self.output_padding,) * 2
        y, x = (self._axis(shape[i], size[i], strides[i], dilation[i], extra[i]) for i in range(2))
        return Geometry(y, x, self.filters, shape[2])

    def _axis(self, extent: int, size: int, stride: int, dilation: int, extra: int | None) -> Window:
        """Return the windows over an axis of the output, as Keras has them."""
        span = (size - 1) * dilation + 1
        if extra is not None and extra >= stride:
            raise ShapeError(f"output_padding must be less than strides, got {extra} and {stride}", "output_padding")
        if self.padding == "valid":
            out = (extent - 1) * stride + span + (max(stride - span, 0) if extra is None else extra)
            return Window(out, size, stride, dilation, 0, extent)
        if extra is None:
            out, pad = extent * stride, stride + span - 2
        else:
            out, pad = (extent - 1) * stride + span % 2 + extra, span + span % 2 - 2 + extra
        return Window(out, size, stride, dilation, span - 1 - min(pad // 2 + pad % 2, span - 1), extent)

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return (out_height, out_width, filters)."""
        geometry = self.geometry(inputs[0])
        return (geometry.y.extent, geometry.x.extent, self.filters)

    def kernel_shape(self, shape: Shape) -> Shape:
        """Return (kernel_height, kernel_width, filters, channels)."""
        return (*pair(self.kernel_size), self.filters, shape[2])

    def bias_size(self, shape: Shape) -> int:
        """Return the number of filters."""
        return self.filters

    def forward(self, emit: Emitter) -> None:
        """Emit the transposed convolution, with bias and a fused ReLU."""
        geometry = self.geometry(emit.input_shapes[0])
        emit_input_gradient(emit, geometry, emit.input, emit.output, bias_of(self, emit), emit.floor)

    def backward(self, emit: Emitter) -> None:
        """Emit the gradient of the input, a convolution, then those of the variables with their updates."""
        geometry, dy, dx = self.geometry(emit.input_shapes[0]), emit.output_gradient, emit.input_gradient()
        if dx is not None:
            emit_forward(emit, geometry, dy, dx, emit.zeros(geometry.filters), NO_LIMIT)
        bias = emit_bias_partials(emit, self, dy)
        emit_weight_gradient(emit, geometry, dy, emit.input)
        if bias is not None:
            emit_combination(emit, *bias)
