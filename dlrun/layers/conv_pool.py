"""A convolution with the max pool that follows it, as one: made by the compiler, not written in a config."""

from __future__ import annotations

from math import inf, prod
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dlrun.kernels.convolution_input import conv_pack_reversed
from dlrun.kernels.convolution_pool import (
    NOBODY,
    conv_pool_backward_input,
    conv_pool_backward_weights,
    conv_pool_forward,
)
from dlrun.kernels.convolution_pool_inference import conv_pool_predict
from dlrun.kernels.products import NO_LIMIT
from dlrun.kernels.target import MOST_COLUMNS
from dlrun.layers import conv_pool_halves, convolution, winograd, winograd_pool
from dlrun.layers.base import Layer, Shape
from dlrun.layers.chunks import emit_combination
from dlrun.layers.convolution import Convolution, bias_of, constants_of, packed_weights
from dlrun.layers.geometry import Geometry
from dlrun.layers.pool import Pool
from dlrun.plan import CHUNKS, Buffer, ScratchSize

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter


class ConvPool(Layer):
    """What a convolution, a ReLU (if `has_relu`) and a max pool compute, without the numbers in between."""

    type: Literal["conv_pool"] = "conv_pool"
    convolution: Convolution
    """The convolution, without its activation."""
    pool: Pool
    """A pool that takes the largest."""
    has_relu: bool
    """Whether a ReLU stands between them."""

    reads_output: ClassVar[bool] = False

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the pool's output shape."""
        return self.pool.output_shape(self.convolution.output_shape(*inputs))

    def flops(self, *inputs: Shape) -> int:
        """Return those of both."""
        return self.convolution.flops(*inputs) + self.pool.flops(self.convolution.output_shape(*inputs))

    def _geometries(self, shape: Shape) -> tuple[Geometry, Geometry]:
        return self.convolution.geometry(shape).merged(), self.pool.geometry(self.convolution.output_shape(shape))

    def _common(self, emit: Emitter) -> dict[str, Any]:
        geometry, pool = self._geometries(emit.input_shapes[0])
        return {
            "flops": geometry.flops * emit.batch,
            "geometry": constants_of(emit, geometry),
            "pool": emit.constant("pool_geometry", pool.constants(), "int64"),
            "rows": emit.rows,
        }

    def _winner(self, emit: Emitter) -> Buffer:
        """Return which place of each window was the largest: saved for the way back."""
        return emit.saved("winner", prod(emit.output_shape), "uint8")

    def forward(self, emit: Emitter) -> None:
        """Emit one call, after packing the weights if they are many."""
        geometry, pool = self._geometries(emit.input_shapes[0])
        bias, floor = bias_of(self.convolution, emit), 0.0 if self.has_relu else -inf
        if (way := winograd.choice(geometry)) is not None:
            common = self._common(emit) | {"winner": self._winner(emit)}
            winograd_pool.emit_forward(emit, geometry, pool, way, bias, floor, common)
            return
        way = conv_pool_halves.choice(geometry, pool) if conv_pool_halves.is_small(geometry) else None
        if way is not None:
            common = self._common(emit) | ({"winner": self._winner(emit)} if emit.gradients else {})
            conv_pool_halves.emit_forward(emit, geometry, pool, way, bias, floor, common)
            return
        weights, is_packed = packed_weights(emit, geometry)
        common = self._common(emit) | {
            "x": emit.input, "w": weights, "b": bias, "y": emit.output, "floor": floor, "is_packed": is_packed,
        }  # fmt: skip
        if emit.gradients or not pool.halves:
            common |= {"winner": self._winner(emit), "scratch": ScratchSize(geometry.padded_size + prod(pool.image))}
            emit.call(conv_pool_forward, **common)
        else:
            band = 2 * 2 * pool.x.out * MOST_COLUMNS
            emit.call(conv_pool_predict, scratch=ScratchSize(geometry.padded_size + band), **common)

    def backward(self, emit: Emitter) -> None:
        """Emit the gradient of the input, then those of the variables with their updates."""
        geometry, pool = self._geometries(emit.input_shapes[0])
        common = self._common(emit) | {"winner": self._winner(emit)}
        dx, kernel = emit.input_gradient(), emit.update("kernel")
        way = winograd.choice(geometry)
        if dx is not None and way is not None:
            winograd_pool.emit_input_gradient(emit, geometry, way, dx, common)
        elif dx is not None:
            packed = emit.shared("packed_reversed", geometry.packed_reversed_size)
            emit.call(
                conv_pack_reversed, partition="split", w=emit.variable("kernel"), packed=packed,
                geometry=common["geometry"],
            )  # fmt: skip
            emit.call(
                conv_pool_backward_input, dy=emit.output_gradient, packed=packed, zeros=emit.zeros(geometry.channels),
                dx=dx, no_limit=NO_LIMIT,
                scratch=ScratchSize(geometry.gradient_padded_size + prod(pool.image)), **common,
            )  # fmt: skip
        if kernel is None:
            return
        partials = emit.shared("partials", CHUNKS * geometry.weights)
        bias_partials = emit.shared("bias_partials", CHUNKS * geometry.filters)
        if way is not None:
            winograd_pool.emit_weight_partials(emit, geometry, pool, way, partials, bias_partials, common)
        elif (way := conv_pool_halves.choice(geometry, pool)) is not None:
            conv_pool_halves.emit_weight_partials(emit, geometry, pool, way, partials, bias_partials, common)
        else:
            emit.call(
                conv_pool_backward_weights, partition="chunks", x=emit.input, dy=emit.output_gradient,
                partials=partials, bias_partials=bias_partials, zeros=emit.zeros(MOST_COLUMNS),
                scratch=ScratchSize(geometry.padded_size + prod(pool.image)), **common,
            )  # fmt: skip
        emit_combination(emit, partials, geometry.weights, kernel)
        bias = emit.update("bias") if self.convolution.use_bias else None
        if bias is not None:
            emit_combination(emit, bias_partials, geometry.filters, bias)


def can_pool(layer: Layer, pool: Layer, shape: Shape) -> bool:
    """Return whether a layer over an input of this shape is a convolution that ConvPool can take with this pool."""
    if not (isinstance(layer, Convolution) and layer.pools and isinstance(pool, Pool) and pool.takes_largest):
        return False
    geometry = layer.geometry(shape)
    windows = pool.geometry(layer.output_shape(shape))
    few = geometry.weights < convolution.SLICE_FROM and windows.taps <= NOBODY
    return few and not geometry.is_depthwise and (windows.halves or winograd.choice(geometry) is None)
