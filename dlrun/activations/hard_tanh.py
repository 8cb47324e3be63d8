"""A piecewise linear tanh."""

from typing import Literal

from dlrun.activations.base import Activation
from dlrun.kernels.entries import get, put
from dlrun.kernels.lang import In, Live, Out, Size, Thread, Threads, first_of, kernel, last_of, real, select


@kernel
def hard_tanh_forward(x: In, y: Out, rows: Live, size: Size, thread: Thread, threads: Threads) -> None:
    """y = min(max(x, -1), 1); NaN stays NaN. Partition: samples."""
    low, top = real(-1), real(1)
    for i in range(first_of(rows, thread, threads) * size, last_of(rows, thread, threads) * size):
        v = get(x, i)
        put(y, i, select(v < low, low, select(v > top, top, v)))


@kernel
def hard_tanh_backward(saved: In, dy: In, dx: Out, rows: Live, size: Size, thread: Thread, threads: Threads) -> None:
    """dx = dy where -1 < y < 1, else 0. Saves: y. Partition: samples."""
    low, top, zero = real(-1), real(1), real(0)
    for i in range(first_of(rows, thread, threads) * size, last_of(rows, thread, threads) * size):
        v = get(saved, i)
        put(dx, i, select((v > low) & (v < top), get(dy, i), zero))


class HardTanh(Activation):
    """min(max(x, -1), 1)."""

    type: Literal["hard_tanh"] = "hard_tanh"
    forward = hard_tanh_forward
    backward = hard_tanh_backward
