"""Normalisation by the root mean square along the last axis."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from dlrun.initializers import INITIALIZERS, Initializer, Ones
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
from dlrun.kernels.statistics import row_dot, row_sum
from dlrun.layers.base import Layer, MaskRule, Shape
from dlrun.layers.chunks import emit_combination
from dlrun.layers.variable import Variable
from dlrun.plan import CHUNKS, ScratchSize
from dlrun.registry import ChosenBy
from dlrun.regularizers import REGULARIZERS, Regularizer

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter


class RMSNormalization(Layer):
    """Divides each sample's vectors along the last axis by their root mean square: B. Zhang & R. Sennrich (2019).

    y = gamma x / sqrt(mean x² + epsilon).
    """

    type: Literal["rms_normalization"] = "rms_normalization"
    aliases: ClassVar = {"eps": "epsilon"}

    axis: Literal[-1] = -1
    """The axis of the features: the last."""
    epsilon: float = Field(default=1e-6, gt=0)
    """What is added to the mean of the squares, so that it isn't 0."""
    gamma_initializer: Annotated[Initializer, ChosenBy(INITIALIZERS)] = Ones()
    """How gamma starts."""
    gamma_regularizer: Annotated[Regularizer, ChosenBy(REGULARIZERS)] | None = None
    """A penalty on gamma."""

    reads_output: ClassVar[bool] = False
    mask_rule: ClassVar[MaskRule] = "pass"
    is_by_position: ClassVar[bool] = True

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the input's shape."""
        return inputs[0]

    def variables(self, *inputs: Shape) -> tuple[Variable, ...]:
        """Return gamma (features,)."""
        return (Variable("gamma", inputs[0][-1:], self.gamma_initializer, regularizer=self.gamma_regularizer),)

    def flops(self, *inputs: Shape) -> int:
        """Return those of the mean square (2) and the normalisation (2) of each entry."""
        return 4 * prod(inputs[0])

    def _arguments(self, emit: Emitter) -> dict[str, Any]:
        places, width = prod(emit.output_shape[:-1]), emit.output_shape[-1]
        return {"inverses": emit.saved("inverses", places), "rows": emit.rows, "places": places, "width": width}

    def forward(self, emit: Emitter) -> None:
        """Emit one call."""
        emit.call(
            rms_normalization_forward, x=emit.input, gamma=emit.variable("gamma"), y=emit.output, epsilon=self.epsilon,
            flops=self.flops(emit.output_shape) * emit.batch, **self._arguments(emit),
        )  # fmt: skip

    def backward(self, emit: Emitter) -> None:
        """Emit the gradient of the input, then the sum over the batch and the update of gamma."""
        width, dx, gamma = emit.output_shape[-1], emit.input_gradient(), emit.update("gamma")
        if dx is not None:
            emit.call(
                rms_normalization_backward_input, x=emit.input, dy=emit.output_gradient, gamma=emit.variable("gamma"),
                dx=dx, scratch=ScratchSize(2 * width), **self._arguments(emit),
            )  # fmt: skip
        if gamma is not None:
            sums = emit.shared("gamma_sums", CHUNKS * width)
            emit.call(
                rms_normalization_sums, partition="chunks", x=emit.input, dy=emit.output_gradient, sums=sums,
                **self._arguments(emit),
            )  # fmt: skip
            emit_combination(emit, sums, width, gamma)


@kernel
def rms_normalization_forward(
    x: In, gamma: In, y: Out, inverses: Out, epsilon: Number, rows: Live, places: Size, width: Size, thread: Thread,
    threads: Threads,
) -> None:  # fmt: skip
    """y = x * inverse * gamma, inverse = 1 / sqrt(mean x² + epsilon), for each vector of `width`.

    Shapes: x, y (rows, places, width), gamma (width), inverses (rows, places).
    Saves for backward: x, inverses. Partition: samples.
    """
    share = real(1) / real(width)
    for p in range(first_of(rows, thread, threads) * places, last_of(rows, thread, threads) * places):
        x_here, y_here = shift(x, p * width), shift(y, p * width)
        inverse = rsqrt(row_dot(x_here, x_here, width) * share + epsilon)
        for i in range(width):
            put(y_here, i, get(x_here, i) * inverse * get(gamma, i))
        inverses[p] = inverse


@kernel
def rms_normalization_backward_input(
    x: In, dy: In, gamma: In, inverses: In, dx: Out, scratch: Scratch, rows: Live, places: Size, width: Size,
    thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """dx = inverse * (g - x * inverse² * mean(g x)), with g = dy * gamma.

    Shapes: x, dy, dx (rows, places, width), gamma (width), inverses (rows, places), scratch (2 width).
    Partition: samples.
    """
    share, product = real(1) / real(width), shift(scratch, width)
    for p in range(first_of(rows, thread, threads) * places, last_of(rows, thread, threads) * places):
        x_here, g_here, out, inverse = shift(x, p * width), shift(dy, p * width), shift(dx, p * width), inverses[p]
        for i in range(width):
            g = get(g_here, i) * get(gamma, i)
            put(scratch, i, g)
            put(product, i, g * get(x_here, i))
        slope = row_sum(product, width) * share * inverse * inverse
        for i in range(width):
            put(out, i, inverse * (scratch[i] - get(x_here, i) * slope))


@kernel
def rms_normalization_sums(
    x: In, dy: In, inverses: In, sums: Out, rows: Live, places: Size, width: Size, thread: Thread, threads: Threads
) -> None:
    """For each chunk of samples sums = sum of dy * x * inverse over all vectors.

    Shapes: x, dy (rows, places, width), inverses (rows, places), sums (CHUNKS, width). Partition: chunks.
    """
    for chunk in range(first_of(CHUNKS, thread, threads), last_of(CHUNKS, thread, threads)):
        total = shift(sums, chunk * width)
        clear(total, width)
        for p in range(first_of(rows, chunk, CHUNKS) * places, last_of(rows, chunk, CHUNKS) * places):
            x_here, g_here, inverse = shift(x, p * width), shift(dy, p * width), inverses[p]
            for i in range(width):
                total[i] += g_here[i] * (x_here[i] * inverse)
