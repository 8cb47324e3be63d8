"""Normalisation over the batch."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from dlrun.initializers import INITIALIZERS, Initializer, Ones, Zeros
from dlrun.kernels.chunks import add_places, clear
from dlrun.kernels.entries import get, put
from dlrun.kernels.lang import (
    In,
    InOut,
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
    select,
    shift,
)
from dlrun.kernels.math import rsqrt
from dlrun.kernels.statistics import BLOCK, batch_statistics, combine_statistics
from dlrun.layers.base import Shape
from dlrun.layers.chunks import emit_combination
from dlrun.layers.normalization import Normalization
from dlrun.layers.variable import Variable
from dlrun.plan import CHUNKS, ScratchSize
from dlrun.registry import ChosenBy

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter


class BatchNormalization(Normalization):
    """Normalises each channel by its mean and variance over the batch: S. Ioffe & C. Szegedy (ICML 2015).

    y = gamma (x - mean) / sqrt(variance + epsilon) + beta, over all axes but the last. Training takes the batch's mean
    and (biased) variance, and moves the moving ones towards them: moving = momentum * moving + (1 - momentum) * batch.
    Inference, and training with `trainable: false`, take the moving ones.
    """

    type: Literal["batch_normalization"] = "batch_normalization"
    momentum: float = Field(default=0.99, ge=0, lt=1)
    """How much of the moving statistics is kept at each step."""
    moving_mean_initializer: Annotated[Initializer, ChosenBy(INITIALIZERS)] = Zeros()
    """How the moving mean starts."""
    moving_variance_initializer: Annotated[Initializer, ChosenBy(INITIALIZERS)] = Ones()
    """How the moving variance starts."""

    fuses_relu: ClassVar[bool] = True

    @property
    def folded_epsilon(self) -> float | None:
        """What is added to the variance."""
        return self.epsilon

    def variables(self, *inputs: Shape) -> tuple[Variable, ...]:
        """Return gamma, beta, moving_mean and moving_variance, each (channels,)."""
        shape = inputs[0][-1:]
        mean = Variable("moving_mean", shape, self.moving_mean_initializer, trainable=False)
        variance = Variable("moving_variance", shape, self.moving_variance_initializer, trainable=False)
        return (*super().variables(*inputs), mean, variance)

    def flops(self, *inputs: Shape) -> int:
        """Return a subtraction, a multiplication and an addition for each entry."""
        return 3 * prod(inputs[0])

    def uses_batch(self, emit: Emitter) -> bool:
        """Return whether this plan normalises by the batch's statistics."""
        return emit.training and self.trainable

    def forward(self, emit: Emitter) -> None:
        """Emit the statistics, then the normalisation."""
        places, channels = prod(emit.output_shape[:-1]), emit.output_shape[-1]
        gamma = emit.variable("gamma") if self.scale else emit.constant("ones", (1.0,) * channels)
        beta = emit.variable("beta") if self.center else emit.zeros(channels)
        shape: dict[str, Any] = {"places": places, "channels": channels}
        moving: dict[str, Any] = {name: emit.variable(name) for name in ("moving_mean", "moving_variance")}
        if self.uses_batch(emit):
            partials = emit.shared("statistics", CHUNKS * 2 * channels)
            emit.call(
                batch_statistics, partition="chunks", x=emit.input, partials=partials,
                scratch=ScratchSize(2 * channels), rows=emit.rows, **shape,
            )  # fmt: skip
            emit.call(
                take_batch, partition="one", partials=partials, gamma=gamma, epsilon=self.epsilon,
                momentum=self.momentum, rows=emit.rows, **self._statistics(emit), **moving, **shape,
            )  # fmt: skip
        else:
            emit.call(
                take_moving, partition="one", gamma=gamma, epsilon=self.epsilon, channels=channels,
                **self._statistics(emit), **moving,
            )  # fmt: skip
        emit.call(
            normalize, x=emit.input, mean=emit.shared("mean", channels), factor=emit.shared("factor", channels),
            beta=beta, y=emit.output, floor=emit.floor, rows=emit.rows,
            flops=self.flops(emit.output_shape) * emit.batch, **shape,
        )  # fmt: skip

    def _statistics(self, emit: Emitter) -> dict[str, Any]:
        """Return the buffers with the mean, 1 / sqrt(variance + epsilon), and gamma times that."""
        return {name: emit.shared(name, emit.output_shape[-1]) for name in ("mean", "inverse", "factor")}

    def backward(self, emit: Emitter) -> None:
        """Emit the sums over the batch, the gradient of the input, and the updates of gamma and beta."""
        places, channels = prod(emit.output_shape[:-1]), emit.output_shape[-1]
        gamma = emit.update("gamma") if self.scale else None
        beta = emit.update("beta") if self.center else None
        dx, batch = emit.input_gradient(), self.uses_batch(emit)
        statistics = self._statistics(emit)
        sums: dict[str, Any] = {name: emit.shared(name, CHUNKS * channels) for name in ("beta_sums", "gamma_sums")}
        shape: dict[str, Any] = {"places": places, "channels": channels}
        if gamma or beta or (batch and dx):
            emit.call(
                batch_normalization_sums, partition="chunks", x=emit.input, dy=emit.output_gradient,
                mean=statistics["mean"], inverse=statistics["inverse"], scratch=ScratchSize(2 * channels),
                rows=emit.rows, **sums, **shape,
            )  # fmt: skip
        if dx is not None and batch:
            emit.call(
                batch_normalization_backward_input, x=emit.input, dy=emit.output_gradient, dx=dx,
                scratch=ScratchSize(2 * channels), rows=emit.rows, **statistics, **sums, **shape,
            )  # fmt: skip
        elif dx is not None:
            emit.call(
                normalize, x=emit.output_gradient, mean=emit.zeros(channels), factor=statistics["factor"],
                beta=emit.zeros(channels), y=dx, floor=float("-inf"), rows=emit.rows, **shape,
            )  # fmt: skip
        for update, total in ((gamma, sums["gamma_sums"]), (beta, sums["beta_sums"])):
            if update is not None:
                emit_combination(emit, total, channels, update)


@kernel
def take_batch(
    partials: In, gamma: In, mean: Out, inverse: Out, factor: Out, moving_mean: InOut, moving_variance: InOut,
    epsilon: Number, momentum: Number, rows: Live, places: Size, channels: Size, thread: Thread,
) -> None:  # fmt: skip
    """Combine the chunks' statistics, and move the moving ones towards them.

    inverse = 1 / sqrt(variance + epsilon), factor = gamma * inverse; the variance is the biased one, as in Keras.
    Shapes: partials (CHUNKS, 2, channels), all others (channels). Partition: one.
    """
    if thread != 0:
        return
    combine_statistics(partials, mean, inverse, rows, places, channels)
    share, rest = real(1) / real(rows * places), real(1) - momentum
    for c in range(channels):
        variance = inverse[c] * share
        moving_mean[c] = moving_mean[c] * momentum + mean[c] * rest
        moving_variance[c] = moving_variance[c] * momentum + variance * rest
        inverse[c] = rsqrt(variance + epsilon)
        factor[c] = gamma[c] * inverse[c]


@kernel
def take_moving(
    moving_mean: In, moving_variance: In, gamma: In, mean: Out, inverse: Out, factor: Out, epsilon: Number,
    channels: Size, thread: Thread,
) -> None:  # fmt: skip
    """mean = moving_mean, inverse = 1 / sqrt(moving_variance + epsilon), factor = gamma * inverse. Partition: one."""
    if thread != 0:
        return
    for c in range(channels):
        mean[c] = moving_mean[c]
        inverse[c] = rsqrt(moving_variance[c] + epsilon)
        factor[c] = gamma[c] * inverse[c]


@kernel
def normalize(
    x: In, mean: In, factor: In, beta: In, y: Out, floor: Number, rows: Live, places: Size, channels: Size,
    thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """y = max((x - mean) * factor + beta, floor).

    Shapes: x, y (rows, places, channels), mean, factor, beta (channels). Partition: samples.
    """
    for p in range(first_of(rows, thread, threads) * places, last_of(rows, thread, threads) * places):
        x_here, y_here = shift(x, p * channels), shift(y, p * channels)
        for c in range(channels):
            v = (get(x_here, c) - get(mean, c)) * get(factor, c) + get(beta, c)
            put(y_here, c, select(floor > v, floor, v))


@kernel
def batch_normalization_sums(
    x: In, dy: In, mean: In, inverse: In, beta_sums: Out, gamma_sums: Out, scratch: Scratch, rows: Live, places: Size,
    channels: Size, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """For each chunk of samples beta_sums = sum dy and gamma_sums = sum dy * (x - mean) * inverse.

    Shapes: x, dy (rows, places, channels), mean, inverse (channels), sums (CHUNKS, channels), scratch (2 channels).
    Partition: chunks.
    """
    block_sum, block_product = scratch, shift(scratch, channels)
    for chunk in range(first_of(CHUNKS, thread, threads), last_of(CHUNKS, thread, threads)):
        first, last = first_of(rows, chunk, CHUNKS) * places, last_of(rows, chunk, CHUNKS) * places
        sums, products = shift(beta_sums, chunk * channels), shift(gamma_sums, chunk * channels)
        clear(sums, channels)
        clear(products, channels)
        for start in range(first, last, BLOCK):
            count = min(BLOCK, last - start)
            clear(scratch, 2 * channels)
            add_places(shift(dy, start * channels), block_sum, count, channels)
            pairs = count // 2 * 2
            for p in range(start, start + pairs, 2):
                x0, x1 = shift(x, p * channels), shift(x, (p + 1) * channels)
                g0, g1 = shift(dy, p * channels), shift(dy, (p + 1) * channels)
                for c in range(channels):
                    m = mean[c]
                    block_product[c] += g0[c] * (x0[c] - m) + g1[c] * (x1[c] - m)
            for p in range(start + pairs, start + count):
                x0, g0 = shift(x, p * channels), shift(dy, p * channels)
                for c in range(channels):
                    block_product[c] += g0[c] * (x0[c] - mean[c])
            for c in range(channels):
                sums[c] += block_sum[c]
                products[c] += block_product[c] * inverse[c]


@kernel
def batch_normalization_backward_input(
    x: In, dy: In, mean: In, inverse: In, factor: In, beta_sums: In, gamma_sums: In, dx: Out, scratch: Scratch,
    rows: Live, places: Size, channels: Size, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """dx = factor * (dy - sum dy / n - (x - mean) inverse * sum(dy (x - mean) inverse) / n), n = rows * places.

    Shapes: x, dy, dx (rows, places, channels), mean, inverse, factor (channels), sums (CHUNKS, channels),
    scratch (2 channels). Partition: samples.
    """
    level, slope = scratch, shift(scratch, channels)
    clear(scratch, 2 * channels)
    for chunk in range(CHUNKS):
        sums, products = shift(beta_sums, chunk * channels), shift(gamma_sums, chunk * channels)
        for c in range(channels):
            level[c] += sums[c]
            slope[c] += products[c]
    share = real(1) / real(rows * places)
    for c in range(channels):
        level[c] = level[c] * factor[c] * share
        slope[c] = slope[c] * factor[c] * inverse[c] * share
    for p in range(first_of(rows, thread, threads) * places, last_of(rows, thread, threads) * places):
        x_here, g_here, out = shift(x, p * channels), shift(dy, p * channels), shift(dx, p * channels)
        for c in range(channels):
            deviation = get(x_here, c) - get(mean, c)
            put(out, c, get(g_here, c) * get(factor, c) - get(level, c) - deviation * get(slope, c))
