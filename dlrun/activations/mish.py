"""A smooth, self-gated rectifier."""

from typing import ClassVar, Literal

from dlrun.activations.base import Activation
from dlrun.kernels.entries import get, put
from dlrun.kernels.lang import In, Live, Out, Size, Thread, Threads, first_of, kernel, last_of, real, select
from dlrun.kernels.math import exp


@kernel
def mish_forward(x: In, y: Out, rows: Live, size: Size, thread: Thread, threads: Threads) -> None:
    """y = x * n / (n + 2) with n = e (e + 2), e = exp(x). Partition: samples.

    n / (n + 2) is tanh(softplus(x)), and 1 from x = 20.
    """
    two, top = real(2), real(20)
    for i in range(first_of(rows, thread, threads) * size, last_of(rows, thread, threads) * size):
        v = get(x, i)
        e = exp(select(v > top, top, v))
        n = e * (e + two)
        put(y, i, v * (n / (n + two)))


@kernel
def mish_backward(saved: In, dy: In, dx: Out, rows: Live, size: Size, thread: Thread, threads: Threads) -> None:
    """dx = dy * (t + x * (1 - t²) * s), s = sigmoid(x). Saves: x. Partition: samples.

    t = n / (n + 2) and 1 - t² = 4 (n + 1) / (n + 2)² with n = e (e + 2), e = exp(x).
    """
    one, two, four, top = real(1), real(2), real(4), real(20)
    for i in range(first_of(rows, thread, threads) * size, last_of(rows, thread, threads) * size):
        v = get(saved, i)
        e = exp(select(v > top, top, v))
        n = e * (e + two)
        rest = four * ((n + one) / (n + two)) / (n + two)
        put(dx, i, get(dy, i) * (n / (n + two) + v * rest * (e / (e + one))))


class Mish(Activation):
    """x * tanh(softplus(x)): D. Misra (BMVC 2020)."""

    type: Literal["mish"] = "mish"
    forward = mish_forward
    backward = mish_backward
    saves: ClassVar[str] = "input"
