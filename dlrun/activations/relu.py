"""The rectified linear unit."""

from typing import Literal

from dlrun.activations.base import Activation
from dlrun.kernels.entries import get, put
from dlrun.kernels.lang import In, Live, Out, Size, Thread, Threads, first_of, kernel, last_of, real, select


@kernel
def relu_forward(x: In, y: Out, rows: Live, size: Size, thread: Thread, threads: Threads) -> None:
    """y = max(x, 0); NaN stays NaN. Partition: samples."""
    zero = real(0)
    for i in range(first_of(rows, thread, threads) * size, last_of(rows, thread, threads) * size):
        v = get(x, i)
        put(y, i, select(v < zero, zero, v))


@kernel
def relu_backward(saved: In, dy: In, dx: Out, rows: Live, size: Size, thread: Thread, threads: Threads) -> None:
    """dx = dy where y > 0, else 0. Saves: y. Partition: samples."""
    zero = real(0)
    for i in range(first_of(rows, thread, threads) * size, last_of(rows, thread, threads) * size):
        put(dx, i, select(get(saved, i) > zero, get(dy, i), zero))


class Relu(Activation):
    """max(x, 0)."""

    type: Literal["relu"] = "relu"
    forward = relu_forward
    backward = relu_backward
