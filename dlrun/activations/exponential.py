"""The exponential function."""

from typing import Literal

from dlrun.activations.base import Activation
from dlrun.kernels.entries import get, put
from dlrun.kernels.lang import In, Live, Out, Size, Thread, Threads, first_of, kernel, last_of
from dlrun.kernels.math import exp


@kernel
def exponential_forward(x: In, y: Out, rows: Live, size: Size, thread: Thread, threads: Threads) -> None:
    """y = exp(x). Partition: samples."""
    for i in range(first_of(rows, thread, threads) * size, last_of(rows, thread, threads) * size):
        put(y, i, exp(get(x, i)))


@kernel
def exponential_backward(saved: In, dy: In, dx: Out, rows: Live, size: Size, thread: Thread, threads: Threads) -> None:
    """dx = dy * y. Saves: y. Partition: samples."""
    for i in range(first_of(rows, thread, threads) * size, last_of(rows, thread, threads) * size):
        put(dx, i, get(dy, i) * get(saved, i))


class Exponential(Activation):
    """exp(x)."""

    type: Literal["exponential"] = "exponential"
    forward = exponential_forward
    backward = exponential_backward
