"""The mean squared error."""

from __future__ import annotations

from typing import Literal

from dlrun.kernels.lang import In, Live, Number, Out, Scratch, Size, Thread, Threads, helper, kernel, real
from dlrun.losses.base import ElementwiseLoss
from dlrun.losses.terms import elementwise_loss, same


@helper
def square(y, t, parameter):  # type: ignore[no-untyped-def]
    """Return (y - t)²."""
    return (y - t) * (y - t)


@helper
def square_slope(y, t, parameter):  # type: ignore[no-untyped-def]
    """Return 2 (y - t)."""
    return real(2) * (y - t)


@kernel
def mse_loss(
    y: In, t: In, weights: In, losses: Out, p: Out, dy: Out, terms: Scratch, parameter: Number, rows: Live, size: Size,
    thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """losses[r] = weights[r] * mean_i (y[r, i] - t[r, i])². Shapes and partition: elementwise_loss."""
    elementwise_loss(
        square, square_slope, same, parameter, y, t, weights, losses, p, dy, terms, rows, size, thread, threads,
    )  # fmt: skip


class MSE(ElementwiseLoss):
    """The mean squared error: the mean over the outputs of (y - t)²."""

    type: Literal["mse"] = "mse"
    kernel = mse_loss
