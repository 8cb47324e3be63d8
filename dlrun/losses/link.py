"""Functions of the output that losses apply themselves."""

from __future__ import annotations

from dlrun.kernels.lang import In, Live, Out, Size, Thread, Threads, first_of, helper, kernel, last_of, real, select
from dlrun.kernels.math import exp


@helper
def decay_of(z):  # type: ignore[no-untyped-def]
    """Return exp(-|z|), which never overflows."""
    return exp(select(z < real(0), z, -z))


@helper
def sigmoid_of(z, decay):  # type: ignore[no-untyped-def]
    """Return 1 / (1 + exp(-z)) to full precision on both sides of zero, given exp(-|z|)."""
    return select(z < real(0), decay, real(1)) / (real(1) + decay)


@kernel
def sigmoid_link(z: In, p: Out, rows: Live, size: Size, thread: Thread, threads: Threads) -> None:
    """p = 1 / (1 + exp(-z)). Shapes: z, p (rows, size). Partition: samples."""
    for i in range(first_of(rows, thread, threads) * size, last_of(rows, thread, threads) * size):
        p[i] = sigmoid_of(z[i], decay_of(z[i]))


@kernel
def exp_link(z: In, p: Out, rows: Live, size: Size, thread: Thread, threads: Threads) -> None:
    """p = exp(z). Shapes: z, p (rows, size). Partition: samples."""
    for i in range(first_of(rows, thread, threads) * size, last_of(rows, thread, threads) * size):
        p[i] = exp(z[i])
