"""Vectors of length 1."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from dlrun.kernels.batch_products import scalar_product
from dlrun.kernels.lang import (
    In,
    Live,
    Number,
    Out,
    Size,
    Thread,
    Threads,
    first_of,
    kernel,
    last_of,
    real,
    select,
    shift,
)
from dlrun.kernels.math import sqrt
from dlrun.layers.base import Layer, MaskRule, Shape

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter


class L2Normalize(Layer):
    """Divides each sample's vectors along the last axis by their length, so that they lie on the unit sphere.

    y = x / max(|x|, epsilon). Scalar products of such vectors are the cosines of their angles.
    """

    type: Literal["l2_normalize"] = "l2_normalize"
    aliases: ClassVar = {"eps": "epsilon"}

    axis: Literal[-1] = -1
    """The axis of the features: the last."""
    epsilon: float = Field(default=1e-12, gt=0)
    """The least length that is divided by."""

    mask_rule: ClassVar[MaskRule] = "pass"
    is_by_position: ClassVar[bool] = True

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the input's shape."""
        return inputs[0]

    def flops(self, *inputs: Shape) -> int:
        """Return those of the squares' sum (2) and the product (1) of each entry."""
        return 3 * prod(inputs[0])

    def _sizes(self, emit: Emitter) -> dict[str, Any]:
        *places, width = emit.output_shape
        return {
            "inverses": emit.saved("inverses", prod(places)), "epsilon": self.epsilon, "rows": emit.rows,
            "places": prod(places), "width": width,
        }  # fmt: skip

    def forward(self, emit: Emitter) -> None:
        """Emit one call."""
        flops = self.flops(emit.output_shape) * emit.batch
        emit.call(l2_normalize_forward, x=emit.input, y=emit.output, flops=flops, **self._sizes(emit))

    def backward(self, emit: Emitter) -> None:
        """Emit one call, if the gradient is wanted."""
        dx = emit.input_gradient()
        if dx is not None:
            emit.call(l2_normalize_backward, y=emit.output, dy=emit.output_gradient, dx=dx, **self._sizes(emit))


@kernel
def l2_normalize_forward(
    x: In, y: Out, inverses: Out, epsilon: Number, rows: Live, places: Size, width: Size, thread: Thread,
    threads: Threads,
) -> None:  # fmt: skip
    """y = x * inverse, inverse = 1 / max(|x|, epsilon), for each vector of `width`.

    Shapes: x, y (rows, places, width), inverses (rows, places). Saves for backward: y, inverses. Partition: samples.
    """
    for p in range(first_of(rows, thread, threads) * places, last_of(rows, thread, threads) * places):
        x_here, y_here = shift(x, p * width), shift(y, p * width)
        length = sqrt(scalar_product(x_here, x_here, width))
        inverse = real(1) / select(epsilon > length, epsilon, length)
        for i in range(width):
            y_here[i] = x_here[i] * inverse
        inverses[p] = inverse


@kernel
def l2_normalize_backward(
    y: In, dy: In, inverses: In, dx: Out, epsilon: Number, rows: Live, places: Size, width: Size, thread: Thread,
    threads: Threads,
) -> None:  # fmt: skip
    """dx = inverse * (dy - y * sum(y dy)); inverse * dy where the length is less than epsilon.

    Shapes: y, dy, dx (rows, places, width), inverses (rows, places). Partition: samples.
    """
    most = real(1) / epsilon
    for p in range(first_of(rows, thread, threads) * places, last_of(rows, thread, threads) * places):
        y_here, g_here, out, inverse = shift(y, p * width), shift(dy, p * width), shift(dx, p * width), inverses[p]
        slope = select(inverse >= most, real(0), scalar_product(y_here, g_here, width))
        for i in range(width):
            out[i] = inverse * (g_here[i] - y_here[i] * slope)
