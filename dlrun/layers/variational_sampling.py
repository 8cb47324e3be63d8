"""The sampling layer of a variational autoencoder, with the divergence that it adds to the loss."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from dlrun.errors import ShapeError
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
from dlrun.kernels.math import exp, expm1, normal_quantile
from dlrun.kernels.noise import DRAWS, draw_entries
from dlrun.layers.base import MaskRule, Shape, shape_text
from dlrun.layers.noise import Noise
from dlrun.losses.terms import sum_of
from dlrun.plan import Buffer, ScratchSize

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter


class VariationalSampling(Noise):
    """Draws z = mean + exp(log_variance / 2) * noise in training; gives the mean in inference.

    Its inputs are the means and the logarithms of the variances, of one shape; or one input that holds both, its last
    axis half means, half log-variances. To each sample's loss it adds kl_weight times the Kullback-Leibler divergence
    of these normal distributions from standard ones, summed over all entries, which is reported as `kl`:
    (mean² + variance - 1 - log_variance) / 2. D. P. Kingma & M. Welling, Auto-encoding variational Bayes (ICLR 2014),
    equation 10.
    """

    type: Literal["variational_sampling"] = "variational_sampling"
    kl_weight: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    """How much the divergence counts: above 1 a beta-VAE."""

    number_of_inputs: ClassVar[tuple[int, int | None]] = (1, 2)
    reads_output: ClassVar[bool] = False
    mask_rule: ClassVar[MaskRule] = "drop"
    adds_loss: ClassVar[str | None] = "kl"

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the means' shape. Raises ShapeError where the log-variances have another, or one input isn't even."""
        first, field = inputs[0], "inputs" if self.inputs else None
        if len(inputs) == 2:
            if inputs[1] != first:
                shapes = " and ".join(map(shape_text, inputs))
                message = f"variational_sampling needs as many log-variances as means, got {shapes}"
                raise ShapeError(message, field, "its inputs are the means, then the logarithms of the variances")
            return first
        if not first or first[-1] % 2:
            message = f"variational_sampling needs an even last axis, half means, half log-variances, got {first}"
            raise ShapeError(message, field, "or two inputs of one shape: the means, then the log-variances")
        return (*first[:-1], first[-1] // 2)

    def is_alias_when(self, training: bool) -> bool:
        """Return that it never is: the divergence is always counted."""
        return False

    def flops(self, *inputs: Shape) -> int:
        """Return some operations for each entry of the draw and of the divergence."""
        return 8 * prod(self.output_shape(*inputs))

    def _places(self, emit: Emitter) -> dict[str, Any]:
        """Return how means and log-variances lie: `places` runs of `size` entries a sample, `width` apart."""
        size = emit.output_shape[-1] if emit.output_shape else 1
        places = prod(emit.output_shape) // size
        is_one = len(emit.inputs) == 1
        return {
            "rows": emit.rows, "places": places, "size": size, "width": 2 * size if is_one else size,
            "start": size if is_one else 0,
        }  # fmt: skip

    def forward(self, emit: Emitter) -> None:
        """Emit the draw, or a copy of the means, and the divergence."""
        mean, log_variance, places = emit.inputs[0], emit.inputs[-1], self._places(emit)
        if emit.training:
            emit.call(
                draw_latent, mean=mean, log_variance=log_variance, noise=self._noise(emit), z=emit.output,
                key=self.key(emit), scratch=ScratchSize(DRAWS), step=emit.step, **places,
            )  # fmt: skip
        else:
            emit.call(mean_latent, mean=mean, z=emit.output, **{k: v for k, v in places.items() if k != "start"})
        if emit.counts_losses:
            emit.call(
                normal_divergence, mean=mean, log_variance=log_variance, divergence=emit.added_losses,
                terms=ScratchSize(places["size"]), factor=self.kl_weight, **places,
            )  # fmt: skip

    def _noise(self, emit: Emitter) -> Buffer:
        """Return the noise that was drawn; none in inference."""
        size = prod(emit.output_shape)
        return emit.saved("noise", size) if emit.training else emit.zeros(size * emit.batch)

    def backward(self, emit: Emitter) -> None:
        """Emit the gradients by way of z and of the divergence."""
        width = self._places(emit)["places"] * self._places(emit)["width"]
        of_mean = emit.input_gradient(0)
        of_log_variance = of_mean if len(emit.inputs) == 1 else emit.input_gradient(1)
        if of_mean is None and of_log_variance is None:
            return
        emit.call(
            variational_backward, mean=emit.inputs[0], log_variance=emit.inputs[-1], noise=self._noise(emit),
            weights=emit.sample_weights if emit.counts_losses else emit.zeros(emit.batch), dz=emit.output_gradient,
            dmean=of_mean or emit.saved("unused_gradient", width),
            dlog_variance=of_log_variance or emit.saved("unused_gradient", width),
            factor=self.kl_weight, **self._places(emit),
        )  # fmt: skip


@kernel
def draw_latent(
    mean: In, log_variance: In, noise: Out, z: Out, key: Size, scratch: Scratch, step: Live, rows: Live, places: Size,
    size: Size, width: Size, start: Size, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """z = mean + exp(log_variance / 2) * noise, with noise normal by (key, step, row, entry).

    Shapes: mean, log_variance (rows, places, width), of which log-variances begin at `start`; noise, z (rows, places,
    size), scratch (DRAWS). Saves for backward: noise. Partition: samples.
    """
    half, entries = real(0.5), places * size
    for r in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        for first in range(0, entries, DRAWS):
            count = min(DRAWS, entries - first)
            draw_entries(scratch, key, step, r, first, count)
            drawn = shift(noise, r * entries + first)
            for i in range(count):
                drawn[i] = normal_quantile(scratch[i])
        for q in range(r * places, (r + 1) * places):
            m, v = shift(mean, q * width), shift(log_variance, q * width + start)
            e, y = shift(noise, q * size), shift(z, q * size)
            for i in range(size):
                y[i] = m[i] + exp(half * v[i]) * e[i]


@kernel
def mean_latent(
    mean: In, z: Out, rows: Live, places: Size, size: Size, width: Size, thread: Thread, threads: Threads
) -> None:
    """z = mean. Shapes: mean (rows, places, width), z (rows, places, size). Partition: samples."""
    for q in range(first_of(rows, thread, threads) * places, last_of(rows, thread, threads) * places):
        m, y = shift(mean, q * width), shift(z, q * size)
        for i in range(size):
            y[i] = m[i]


@kernel
def normal_divergence(
    mean: In, log_variance: In, divergence: Out, terms: Scratch, factor: Number, rows: Live, places: Size, size: Size,
    width: Size, start: Size, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """divergence[r] = factor / 2 * sum(mean² + exp(log_variance) - 1 - log_variance), over the sample's entries.

    Shapes: mean, log_variance (rows, places, width), divergence (rows), terms: working memory (size). Partition:
    samples. Source: Kingma & Welling 2014, equation 10 and appendix B.
    """
    for r in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        total = real(0)
        for q in range(r * places, (r + 1) * places):
            m, v = shift(mean, q * width), shift(log_variance, q * width + start)
            for i in range(size):
                terms[i] = m[i] * m[i] + (expm1(v[i]) - v[i])
            total += sum_of(terms, size)
        divergence[r] = factor * real(0.5) * total


@kernel
def variational_backward(
    mean: In, log_variance: In, noise: In, weights: In, dz: In, dmean: Out, dlog_variance: Out, factor: Number,
    rows: Live, places: Size, size: Size, width: Size, start: Size, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """dmean = dz + a mean, dlog_variance = (dz exp(log_variance / 2) noise + a (exp(log_variance) - 1)) / 2.

    a = factor * weights / rows. Shapes: mean, log_variance, dmean, dlog_variance (rows, places, width), of which
    log-variances begin at `start`; noise, dz (rows, places, size), weights (rows). dmean may be dlog_variance where
    both lie in one. Partition: samples.
    """
    half = real(0.5)
    for r in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        a = factor * weights[r] / real(rows)
        for q in range(r * places, (r + 1) * places):
            m, v = shift(mean, q * width), shift(log_variance, q * width + start)
            dm, dv = shift(dmean, q * width), shift(dlog_variance, q * width + start)
            e, d = shift(noise, q * size), shift(dz, q * size)
            for i in range(size):
                dm[i] = d[i] + a * m[i]
                dv[i] = half * (d[i] * exp(half * v[i]) * e[i] + a * expm1(v[i]))
