"""The rectified linear unit with a ceiling."""

from typing import Literal

from dlrun.activations.base import Activation
from dlrun.kernels.entries import get, put
from dlrun.kernels.lang import In, Live, Out, Size, Thread, Threads, first_of, kernel, last_of, real, select


@kernel
def relu6_forward(x: In, y: Out, rows: Live, size: Size, thread: Thread, threads: Threads) -> None:
    """y = min(max(x, 0), 6); NaN stays NaN. Partition: samples."""
    zero, top = real(0), real(6)
    for i in range(first_of(rows, thread, threads) * size, last_of(rows, thread, threads) * size):
        v = get(x, i)
        put(y, i, select(v < zero, zero, select(v > top, top, v)))


@kernel
def relu6_backward(saved: In, dy: In, dx: Out, rows: Live, size: Size, thread: Thread, threads: Threads) -> None:
    """dx = dy where 0 < y < 6, else 0. Saves: y. Partition: samples."""
    zero, top = real(0), real(6)
    for i in range(first_of(rows, thread, threads) * size, last_of(rows, thread, threads) * size):
        v = get(saved, i)
        put(dx, i, select((v > zero) & (v < top), get(dy, i), zero))


class Relu6(Activation):
    """min(max(x, 0), 6): A. Krizhevsky (2010)."""

    type: Literal["relu6"] = "relu6"
    forward = relu6_forward
    backward = relu6_backward
