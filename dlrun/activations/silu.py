"""The sigmoid-weighted linear unit, also called swish."""

from typing import ClassVar, Literal

from dlrun.activations.base import Activation
from dlrun.kernels.entries import get, put
from dlrun.kernels.lang import In, Live, Out, Size, Thread, Threads, first_of, kernel, last_of, real
from dlrun.kernels.math import sigmoid


@kernel
def silu_forward(x: In, y: Out, rows: Live, size: Size, thread: Thread, threads: Threads) -> None:
    """y = x * sigmoid(x). Partition: samples."""
    for i in range(first_of(rows, thread, threads) * size, last_of(rows, thread, threads) * size):
        v = get(x, i)
        put(y, i, v * sigmoid(v))


@kernel
def silu_backward(saved: In, dy: In, dx: Out, rows: Live, size: Size, thread: Thread, threads: Threads) -> None:
    """dx = dy * s * (1 + x * (1 - s)) with s = sigmoid(x). Saves: x. Partition: samples."""
    one = real(1)
    for i in range(first_of(rows, thread, threads) * size, last_of(rows, thread, threads) * size):
        v = get(saved, i)
        s = sigmoid(v)
        put(dx, i, get(dy, i) * (s * (one + v * (one - s))))


class Silu(Activation):
    """x * sigmoid(x): S. Elfwing, E. Uchibe & K. Doya (2018)."""

    type: Literal["silu"] = "silu"
    forward = silu_forward
    backward = silu_backward
    saves: ClassVar[str] = "input"
