"""A smooth rectifier."""

from typing import Literal

from dlrun.activations.base import Activation
from dlrun.kernels.entries import get, put
from dlrun.kernels.lang import In, Live, Out, Size, Thread, Threads, first_of, kernel, last_of
from dlrun.kernels.math import expm1, softplus


@kernel
def softplus_forward(x: In, y: Out, rows: Live, size: Size, thread: Thread, threads: Threads) -> None:
    """y = log(1 + exp(x)). Partition: samples."""
    for i in range(first_of(rows, thread, threads) * size, last_of(rows, thread, threads) * size):
        put(y, i, softplus(get(x, i)))


@kernel
def softplus_backward(saved: In, dy: In, dx: Out, rows: Live, size: Size, thread: Thread, threads: Threads) -> None:
    """dx = dy * (1 - exp(-y)), which is dy * sigmoid(x). Saves: y. Partition: samples."""
    for i in range(first_of(rows, thread, threads) * size, last_of(rows, thread, threads) * size):
        put(dx, i, -get(dy, i) * expm1(-get(saved, i)))


class Softplus(Activation):
    """log(1 + exp(x)): C. Dugas et al. (NIPS 2000)."""

    type: Literal["softplus"] = "softplus"
    forward = softplus_forward
    backward = softplus_backward
