"""What the convolutions have in common: their fields, and the calls they are made of."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

from dlrun.errors import ShapeError
from dlrun.kernels.convolution import conv_forward, conv_pack
from dlrun.kernels.convolution_input import conv_backward_input, conv_pack_reversed
from dlrun.kernels.convolution_weights import (
    SLICE,
    bias_backward,
    conv_backward_weights,
    conv_backward_weights_sliced,
    conv_pad,
)
from dlrun.kernels.depthwise import depthwise_backward_input, depthwise_backward_weights, depthwise_forward
from dlrun.kernels.products import NO_LIMIT
from dlrun.kernels.target import MOST_COLUMNS
from dlrun.layers import winograd
from dlrun.layers.base import Shape
from dlrun.layers.chunks import emit_combination
from dlrun.layers.geometry import Geometry
from dlrun.layers.variable import Variable
from dlrun.layers.weighted import Weighted
from dlrun.plan import CHUNKS, Buffer, ScratchSize, Update

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter


Combination = tuple[Buffer, int, Update]
"""Partial sums of the chunks, how many numbers each has, and what becomes of their sum."""
PACK_FROM = 64
"""From so many filters on, the weights are packed in panels for the forward pass: 1.2 to 1.5 times faster."""
SLICE_FROM = 1 << 18
"""From so many weights on, their gradient is made in slices: the chunks' partial sums would take 8 MB and more."""


class Convolution(Weighted):
    """A layer whose outputs are sums over windows of its input, with the same weights in every window.

    A subclass gives `geometry` and `kernel_shape`.
    """

    pools: ClassVar[bool] = True
    """Whether a max pool after the layer may be computed with it."""

    def geometry(self, shape: Shape) -> Geometry:
        """Return the sizes of the convolution over an input of this shape. Raises ShapeError where it doesn't fit."""
        raise TypeError(f"{type(self).__name__} gives no geometry")

    def kernel_shape(self, shape: Shape) -> Shape:
        """Return the shape of the weights."""
        raise TypeError(f"{type(self).__name__} gives no kernel shape")

    def bias_size(self, shape: Shape) -> int:
        """Return how many outputs a place has."""
        return self.geometry(shape).filters

    def variables(self, *inputs: Shape) -> tuple[Variable, ...]:
        """Return kernel and bias. Fans are Keras's: taps times the last two extents of the kernel's shape."""
        shape = self.kernel_shape(inputs[0])
        taps = self.geometry(inputs[0]).taps
        return self.kernel_and_bias(shape, taps * shape[-2], taps * shape[-1], self.bias_size(inputs[0]))

    def flops(self, *inputs: Shape) -> int:
        """Return a multiplication and an addition for each weight in each window."""
        return self.geometry(inputs[0]).flops

    def forward(self, emit: Emitter) -> None:
        """Emit the convolution, with bias and a fused ReLU."""
        emit_forward(
            emit, self.geometry(emit.input_shapes[0]), emit.input, emit.output, bias_of(self, emit), emit.floor
        )

    def backward(self, emit: Emitter) -> None:
        """Emit the gradient of the input, then those of the variables with their updates."""
        geometry = self.geometry(emit.input_shapes[0])
        dx = emit.input_gradient()
        if dx is not None:
            emit_input_gradient(emit, geometry, emit.output_gradient, dx, emit.zeros(geometry.channels), NO_LIMIT)
        bias = emit_bias_partials(emit, self, emit.output_gradient)
        emit_weight_gradient(emit, geometry, emit.input, emit.output_gradient)
        if bias is not None:
            emit_combination(emit, *bias)


def check_groups(channels: int, filters: int, groups: int) -> None:
    """Raise ShapeError unless the groups share channels and filters out evenly."""
    if channels % groups:
        raise ShapeError(f"{channels} input channels can't be shared out evenly among {groups} groups", "groups")
    if filters % groups:
        raise ShapeError(f"{filters} filters can't be shared out evenly among {groups} groups", "groups")


def check_dilation(strides: tuple[int, int], dilation: tuple[int, int]) -> None:
    """Raise ShapeError where windows both jump and have gaps: as in Keras, that isn't supported."""
    if max(strides) > 1 and max(dilation) > 1:
        raise ShapeError("strides and dilation_rate can't both be greater than 1", "dilation_rate")


def bias_of(layer: Convolution, emit: Emitter) -> Buffer:
    """Return the bias, or zeros for it."""
    return emit.variable("bias") if layer.use_bias else emit.zeros(layer.bias_size(emit.input_shapes[0]))


def constants_of(emit: Emitter, geometry: Geometry) -> Buffer:
    """Return the geometry as kernels take it."""
    return emit.constant("geometry", geometry.constants(), "int64")


def emit_forward(emit: Emitter, geometry: Geometry, x: Buffer, y: Buffer, b: Buffer, floor: float) -> None:
    """Emit y = the convolution of x, plus b, cut off below at `floor`."""
    geometry = geometry.merged()
    if (way := winograd.choice(geometry)) is not None:
        winograd.emit_forward(emit, geometry, way, x, y, b, floor, constants_of(emit, geometry))
        return
    common: dict[str, Any] = {
        "flops": geometry.flops * emit.batch, "x": x, "b": b, "y": y, "floor": floor,
        "geometry": constants_of(emit, geometry), "rows": emit.rows,
    }  # fmt: skip
    if geometry.is_depthwise:
        emit.call(depthwise_forward, w=emit.variable("kernel"), **common)
        return
    weights, is_packed = packed_weights(emit, geometry)
    scratch = ScratchSize(geometry.padded_size)
    emit.call(conv_forward, w=weights, is_packed=is_packed, scratch=scratch, **common)


def packed_weights(emit: Emitter, geometry: Geometry) -> tuple[Buffer, int]:
    """Return the weights as the forward pass takes them, and 1 if they are packed, which is then emitted, else 0."""
    weights = emit.variable("kernel")
    if geometry.filters // geometry.groups < PACK_FROM:
        return weights, 0
    packed = emit.shared("packed", geometry.packed_size)
    emit.call(conv_pack, partition="split", w=weights, packed=packed, geometry=constants_of(emit, geometry))
    return packed, 1


def emit_input_gradient(emit: Emitter, geometry: Geometry, dy: Buffer, dx: Buffer, b: Buffer, floor: float) -> None:
    """Emit dx = the transposed convolution of dy, plus b, cut off below at `floor` (where it isn't depthwise)."""
    geometry = geometry.merged()
    constants = constants_of(emit, geometry)
    if (way := winograd.choice(geometry)) is not None:
        winograd.emit_input_gradient(emit, geometry, way, dy, dx, b, floor, constants)
        return
    common: dict[str, Any] = {
        "flops": geometry.flops * emit.batch, "dy": dy, "dx": dx, "geometry": constants, "rows": emit.rows,
    }  # fmt: skip
    if geometry.is_depthwise:
        emit.call(depthwise_backward_input, w=emit.variable("kernel"), **common)
        return
    packed = emit.shared("packed_reversed", geometry.packed_reversed_size)
    emit.call(conv_pack_reversed, partition="split", w=emit.variable("kernel"), packed=packed, geometry=constants)
    emit.call(
        conv_backward_input,
        packed=packed,
        b=b,
        floor=floor,
        scratch=ScratchSize(geometry.gradient_padded_size),
        **common,
    )


def emit_weight_gradient(emit: Emitter, geometry: Geometry, x: Buffer, dy: Buffer) -> None:
    """Emit the gradient of the kernel from a convolution's input and its output's gradient, and the update."""
    geometry = geometry.merged()
    update = emit.update("kernel")
    if update is None:
        return
    common: dict[str, Any] = {
        "flops": geometry.flops * emit.batch, "dy": dy, "geometry": constants_of(emit, geometry), "rows": emit.rows,
    }  # fmt: skip
    if geometry.weights >= SLICE_FROM and not geometry.is_depthwise:
        if geometry.is_padded:
            padded = emit.saved("padded", geometry.padded_size)
            emit.call(conv_pad, x=x, padded=padded, geometry=common["geometry"], rows=emit.rows)
            x = padded
        scratch = ScratchSize(SLICE * geometry.filters + MOST_COLUMNS)
        emit.call(
            conv_backward_weights_sliced, partition="split", x=x, dw=update, zeros=emit.zeros(MOST_COLUMNS),
            scratch=scratch, **common,
        )  # fmt: skip
        return
    partials = emit.shared("partials", CHUNKS * geometry.weights)
    way, constants = winograd.choice(geometry), common["geometry"]
    common |= {"partition": "chunks", "x": x, "partials": partials}
    if geometry.is_depthwise:
        emit.call(depthwise_backward_weights, **common)
    elif way is not None:
        winograd.emit_weight_partials(emit, geometry, way, x, dy, partials, constants)
    else:
        emit.call(
            conv_backward_weights, zeros=emit.zeros(MOST_COLUMNS), scratch=ScratchSize(geometry.padded_size), **common
        )
    emit_combination(emit, partials, geometry.weights, update)


def emit_bias_partials(emit: Emitter, layer: Convolution, dy: Buffer) -> Combination | None:
    """Emit the chunks' partial gradients of the bias; return what to combine, later, so that threads meet once only."""
    update = emit.update("bias") if layer.use_bias else None
    if update is None:
        return None
    *axes, filters = emit.output_shape
    partials = emit.shared("bias_partials", CHUNKS * filters)
    emit.call(
        bias_backward, partition="chunks", dy=dy, partials=partials, rows=emit.rows, places=prod(axes), filters=filters
    )
    return partials, filters, update
