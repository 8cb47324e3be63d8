"""The Huber loss: squared near the target, linear far from it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from dlrun.kernels.lang import In, Live, Number, Out, Scratch, Size, Thread, Threads, helper, kernel, real, select
from dlrun.losses.base import ElementwiseLoss
from dlrun.losses.terms import elementwise_loss, same


@helper
def huber(y, t, delta):  # type: ignore[no-untyped-def]
    """Return d² / 2 for d = |y - t| up to delta, delta d - delta² / 2 beyond."""
    d = abs(y - t)
    return select(d > delta, delta * (d - real(0.5) * delta), real(0.5) * d * d)


@helper
def huber_slope(y, t, delta):  # type: ignore[no-untyped-def]
    """Return y - t, brought into [-delta, delta]."""
    d = y - t
    return select(d > delta, delta, select(d < -delta, -delta, d))


@kernel
def huber_loss(
    y: In, t: In, weights: In, losses: Out, p: Out, dy: Out, terms: Scratch, parameter: Number, rows: Live, size: Size,
    thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """losses[r] = weights[r] * mean_i huber(y[r, i] - t[r, i]). Shapes and partition: elementwise_loss."""
    elementwise_loss(
        huber, huber_slope, same, parameter, y, t, weights, losses, p, dy, terms, rows, size, thread, threads,
    )  # fmt: skip


class Huber(ElementwiseLoss):
    """The Huber loss (Huber 1964): (y - t)² / 2 up to a distance of delta, delta |y - t| - delta² / 2 beyond."""

    type: Literal["huber"] = "huber"
    delta: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """The distance from which on the loss is linear."""

    kernel = huber_loss

    @property
    def parameter(self) -> float:
        """The distance delta."""
        return self.delta
