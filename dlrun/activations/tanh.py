"""The hyperbolic tangent."""

from typing import Literal

from dlrun.activations.base import Activation
from dlrun.kernels.entries import get, put
from dlrun.kernels.lang import In, Live, Out, Size, Thread, Threads, first_of, kernel, last_of, real
from dlrun.kernels.math import tanh


@kernel
def tanh_forward(x: In, y: Out, rows: Live, size: Size, thread: Thread, threads: Threads) -> None:
    """y = tanh(x). Partition: samples."""
    for i in range(first_of(rows, thread, threads) * size, last_of(rows, thread, threads) * size):
        put(y, i, tanh(get(x, i)))


@kernel
def tanh_backward(saved: In, dy: In, dx: Out, rows: Live, size: Size, thread: Thread, threads: Threads) -> None:
    """dx = dy * (1 - y²). Saves: y. Partition: samples."""
    one = real(1)
    for i in range(first_of(rows, thread, threads) * size, last_of(rows, thread, threads) * size):
        v = get(saved, i)
        put(dx, i, get(dy, i) * (one - v * v))


class Tanh(Activation):
    """tanh(x): between -1 and 1."""

    type: Literal["tanh"] = "tanh"
    forward = tanh_forward
    backward = tanh_backward
