"""The rectified linear unit."""

from typing import Literal

from dlrun.activations.base import Activation
from dlrun.kernels.lang import In, Live, Out, Size, Thread, Threads, first_of, kernel, last_of, real, select


@kernel
def relu_forward(x: In, y: Out, rows: Live, size: Size, thread: Thread, threads: Threads):
    """y = max(x, 0); NaN stays NaN. Partition: samples."""
    zero = real(0)
    for i in range(first_of(rows, thread, threads) * size, last_of(rows, thread, threads) * size):
        y[i] = select(x[i] < zero, zero, x[i])


@kernel
def relu_backward(saved: In, dy: In, dx: Out, rows: Live, size: Size, thread: Thread, threads: Threads):
    """dx = dy where y > 0, else 0. Saves: y. Partition: samples."""
    zero = real(0)
    for i in range(first_of(rows, thread, threads) * size, last_of(rows, thread, threads) * size):
        dx[i] = select(saved[i] > zero, dy[i], zero)


class Relu(Activation):
    """max(x, 0)."""

    type: Literal["relu"] = "relu"
    forward = relu_forward
    backward = relu_backward
