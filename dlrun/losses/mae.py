"""The mean absolute error."""

from __future__ import annotations

from typing import Literal

from dlrun.kernels.lang import In, Live, Number, Out, Scratch, Size, Thread, Threads, helper, kernel, real, select
from dlrun.losses.base import ElementwiseLoss
from dlrun.losses.terms import elementwise_loss, same


@helper
def distance(y, t, parameter):  # type: ignore[no-untyped-def]
    """Return |y - t|."""
    return abs(y - t)


@helper
def distance_slope(y, t, parameter):  # type: ignore[no-untyped-def]
    """Return the sign of y - t, 0 where they are equal."""
    d = y - t
    return select(d > real(0), real(1), select(d < real(0), real(-1), d))


@kernel
def mae_loss(
    y: In, t: In, weights: In, losses: Out, p: Out, dy: Out, terms: Scratch, parameter: Number, rows: Live, size: Size,
    thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """losses[r] = weights[r] * mean_i |y[r, i] - t[r, i]|. Shapes and partition: elementwise_loss."""
    elementwise_loss(
        distance, distance_slope, same, parameter, y, t, weights, losses, p, dy, terms, rows, size, thread, threads,
    )  # fmt: skip


class MAE(ElementwiseLoss):
    """The mean absolute error: the mean over the outputs of |y - t|."""

    type: Literal["mae"] = "mae"
    kernel = mae_loss
