"""The logarithm of the error's hyperbolic cosine."""

from __future__ import annotations

from typing import Literal

from dlrun.kernels.lang import In, Live, Number, Out, Scratch, Size, Thread, Threads, helper, kernel, real
from dlrun.kernels.math import exp, log1p, tanh
from dlrun.losses.base import ElementwiseLoss
from dlrun.losses.terms import elementwise_loss, same

LOG_2 = 0.6931471805599453


@helper
def log_cosh(y, t, parameter):  # type: ignore[no-untyped-def]
    """Return log cosh (y - t), as d + log(1 + exp(-2 d)) - log 2 with d = |y - t|, which doesn't overflow."""
    d = abs(y - t)
    return d + log1p(exp(real(-2) * d)) - real(LOG_2)


@helper
def log_cosh_slope(y, t, parameter):  # type: ignore[no-untyped-def]
    """Return tanh (y - t)."""
    return tanh(y - t)


@kernel
def log_cosh_loss(
    y: In, t: In, weights: In, losses: Out, p: Out, dy: Out, terms: Scratch, parameter: Number, rows: Live, size: Size,
    thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """losses[r] = weights[r] * mean_i log cosh (y[r, i] - t[r, i]). Shapes and partition: elementwise_loss."""
    elementwise_loss(
        log_cosh, log_cosh_slope, same, parameter, y, t, weights, losses, p, dy, terms, rows, size, thread, threads,
    )  # fmt: skip


class LogCosh(ElementwiseLoss):
    """log cosh (y - t): close to (y - t)² / 2 near the target, to |y - t| - log 2 far from it."""

    type: Literal["log_cosh"] = "log_cosh"
    kernel = log_cosh_loss
