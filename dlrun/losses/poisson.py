"""The Poisson loss of counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from dlrun.kernels.lang import In, Live, Number, Out, Scratch, Size, Thread, Threads, helper, kernel, real
from dlrun.kernels.math import exp, log
from dlrun.losses.base import ElementwiseLoss
from dlrun.losses.link import exp_link
from dlrun.losses.terms import elementwise_loss, same

if TYPE_CHECKING:
    from dlrun.compiler.emitter import LossEmitter, OutputEmitter

EPSILON = 1e-7
"""Added to rates, so that 0 has a logarithm; Keras's."""


@helper
def poisson(y, t, epsilon):  # type: ignore[no-untyped-def]
    """Return y - t log(y + epsilon), for rates y."""
    return y - t * log(y + epsilon)


@helper
def poisson_slope(y, t, epsilon):  # type: ignore[no-untyped-def]
    """Return 1 - t / (y + epsilon)."""
    return real(1) - t / (y + epsilon)


@helper
def poisson_log(y, t, parameter):  # type: ignore[no-untyped-def]
    """Return exp(y) - t y, for logarithms y of rates."""
    return exp(y) - t * y


@helper
def poisson_log_slope(y, t, parameter):  # type: ignore[no-untyped-def]
    """Return exp(y) - t."""
    return exp(y) - t


@kernel
def poisson_loss(
    y: In, t: In, weights: In, losses: Out, p: Out, dy: Out, terms: Scratch, parameter: Number, rows: Live, size: Size,
    thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """losses[r] = weights[r] * mean_i (y[r, i] - t[r, i] log y[r, i]).

    Shapes and partition: elementwise_loss.
    """
    elementwise_loss(
        poisson, poisson_slope, same, parameter, y, t, weights, losses, p, dy, terms, rows, size, thread, threads,
    )  # fmt: skip


@kernel
def poisson_log_loss(
    y: In, t: In, weights: In, losses: Out, p: Out, dy: Out, terms: Scratch, parameter: Number, rows: Live, size: Size,
    thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """losses[r] = weights[r] * mean_i (exp y[r, i] - t[r, i] y[r, i]), p = exp y.

    Shapes and partition: elementwise_loss.
    """
    elementwise_loss(
        poisson_log, poisson_log_slope, exp, parameter, y, t, weights, losses, p, dy,
        terms, rows, size, thread, threads,
    )  # fmt: skip


class Poisson(ElementwiseLoss):
    """The Poisson loss of counts: y - t log y, the negative log-likelihood of rate y up to what depends on t alone.

    The output must be positive: end the network with softplus or exponential, or set log_rate.
    """

    type: Literal["poisson"] = "poisson"
    log_rate: bool = False
    """Whether the network's output is the logarithm of the rate, of which predictions are then the exponential."""

    @property
    def parameter(self) -> float:
        """What is added to rates."""
        return EPSILON

    def lower(self, emit: LossEmitter) -> None:
        """Emit one call."""
        self.emit_loss(poisson_log_loss if self.log_rate else poisson_loss, emit)

    def predict(self, emit: OutputEmitter) -> None:
        """Emit the call that computes the rates alone."""
        if self.log_rate:
            emit.call(exp_link, z=emit.output, p=emit.predictions, rows=emit.rows, size=emit.size)
        else:
            super().predict(emit)
