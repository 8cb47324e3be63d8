"""Normalisation along the last axis."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, Literal

from dlrun.kernels.chunks import clear
from dlrun.kernels.entries import get, put
from dlrun.kernels.lang import (
    In,
    Live,
    Number,
    Out,
    Scratch,
    Size,
    Thread,
    Threads,
    first_of,
    kernel,
    last_of,
    real,
    shift,
)
from dlrun.kernels.math import rsqrt
from dlrun.kernels.statistics import row_squares, row_sum
from dlrun.layers.base import Shape
from dlrun.layers.chunks import emit_combination
from dlrun.layers.normalization import Normalization
from dlrun.plan import CHUNKS, ScratchSize

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter


class LayerNormalization(Normalization):
    """Normalises each sample's vectors along the last axis: J. L. Ba, J. R. Kiros & G. E. Hinton (2016).

    y = gamma (x - mean) / sqrt(variance + epsilon) + beta, with the mean and (biased) variance of each vector.
    """

    type: Literal["layer_normalization"] = "layer_normalization"

    def flops(self, *inputs: Shape) -> int:
        """Return those of the mean (1), the variance (3) and the normalisation (3) of each entry."""
        return 7 * prod(inputs[0])

    def _arguments(self, emit: Emitter) -> dict[str, Any]:
        """Return the arguments that all kernels take: the vectors' statistics, and the shape."""
        places = prod(emit.output_shape[:-1])
        means, inverses = emit.saved("means", places), emit.saved("inverses", places)
        width = emit.output_shape[-1]
        return {"means": means, "inverses": inverses, "rows": emit.rows, "places": places, "width": width}

    def _gamma(self, emit: Emitter) -> Any:
        return emit.variable("gamma") if self.scale else emit.constant("ones", (1.0,) * emit.output_shape[-1])

    def forward(self, emit: Emitter) -> None:
        """Emit one call."""
        beta = emit.variable("beta") if self.center else emit.zeros(emit.output_shape[-1])
        emit.call(
            layer_normalization_forward, x=emit.input, gamma=self._gamma(emit), beta=beta, y=emit.output,
            epsilon=self.epsilon, flops=self.flops(emit.output_shape) * emit.batch, **self._arguments(emit),
        )  # fmt: skip

    def backward(self, emit: Emitter) -> None:
        """Emit the gradient of the input, then the sums over the batch and the updates of gamma and beta."""
        width, dx = emit.output_shape[-1], emit.input_gradient()
        if dx is not None:
            emit.call(
                layer_normalization_backward_input, x=emit.input, dy=emit.output_gradient, gamma=self._gamma(emit),
                dx=dx, scratch=ScratchSize(2 * width), **self._arguments(emit),
            )  # fmt: skip
        gamma = emit.update("gamma") if self.scale else None
        beta = emit.update("beta") if self.center else None
        if gamma is None and beta is None:
            return
        sums: dict[str, Any] = {name: emit.shared(name, CHUNKS * width) for name in ("gamma_sums", "beta_sums")}
        emit.call(
            layer_normalization_sums, partition="chunks", x=emit.input, dy=emit.output_gradient, **sums,
            **self._arguments(emit),
        )  # fmt: skip
        for update, total in ((gamma, sums["gamma_sums"]), (beta, sums["beta_sums"])):
            if update is not None:
                emit_combination(emit, total, width, update)


@kernel
def layer_normalization_forward(
    x: In, gamma: In, beta: In, y: Out, means: Out, inverses: Out, epsilon: Number, rows: Live, places: Size,
    width: Size, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """y = (x - mean) * inverse * gamma + beta, inverse = 1 / sqrt(variance + epsilon), for each vector of `width`.

    Shapes: x, y (rows, places, width), gamma, beta (width), means, inverses (rows, places).
    Saves for backward: x, means, inverses. Partition: samples.
    """
    share = real(1) / real(width)
    for p in range(first_of(rows, thread, threads) * places, last_of(rows, thread, threads) * places):
        x_here, y_here = shift(x, p * width), shift(y, p * width)
        mean = row_sum(x_here, width) * share
        inverse = rsqrt(row_squares(x_here, mean, width) * share + epsilon)
        for i in range(width):
            put(y_here, i, (get(x_here, i) - mean) * inverse * get(gamma, i) + get(beta, i))
        means[p], inverses[p] = mean, inverse


@kernel
def layer_normalization_backward_input(
    x: In, dy: In, gamma: In, means: In, inverses: In, dx: Out, scratch: Scratch, rows: Live, places: Size,
    width: Size, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """dx = inverse * (g - mean g - z * mean(g z)), with g = dy * gamma and z = (x - mean) * inverse.

    Shapes: x, dy, dx (rows, places, width), gamma (width), means, inverses (rows, places), scratch (2 width).
    Partition: samples.
    """
    share, product = real(1) / real(width), shift(scratch, width)
    for p in range(first_of(rows, thread, threads) * places, last_of(rows, thread, threads) * places):
        x_here, g_here, out = shift(x, p * width), shift(dy, p * width), shift(dx, p * width)
        mean, inverse = means[p], inverses[p]
        for i in range(width):
            g = get(g_here, i) * get(gamma, i)
            put(scratch, i, g)
            put(product, i, g * ((get(x_here, i) - mean) * inverse))
        level = row_sum(scratch, width) * share
        slope = row_sum(product, width) * share * inverse
        for i in range(width):
            put(out, i, inverse * (scratch[i] - level - (get(x_here, i) - mean) * slope))


@kernel
def layer_normalization_sums(
    x: In, dy: In, means: In, inverses: In, gamma_sums: Out, beta_sums: Out, rows: Live, places: Size, width: Size,
    thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """For each chunk of samples beta_sums = sum dy and gamma_sums = sum dy * (x - mean) * inverse, over all vectors.

    Shapes: x, dy (rows, places, width), means, inverses (rows, places), sums (CHUNKS, width). Partition: chunks.
    """
    for chunk in range(first_of(CHUNKS, thread, threads), last_of(CHUNKS, thread, threads)):
        sums, products = shift(beta_sums, chunk * width), shift(gamma_sums, chunk * width)
        clear(sums, width)
        clear(products, width)
        for p in range(first_of(rows, chunk, CHUNKS) * places, last_of(rows, chunk, CHUNKS) * places):
            x_here, g_here = shift(x, p * width), shift(dy, p * width)
            mean, inverse = means[p], inverses[p]
            for i in range(width):
                sums[i] += g_here[i]
                products[i] += g_here[i] * ((x_here[i] - mean) * inverse)
