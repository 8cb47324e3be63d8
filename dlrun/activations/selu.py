"""The exponential linear unit that keeps activations standardised."""

from typing import Literal

from dlrun.activations.base import Activation
from dlrun.kernels.entries import get, put
from dlrun.kernels.lang import In, Live, Out, Size, Thread, Threads, first_of, kernel, last_of, real, select
from dlrun.kernels.math import expm1

ALPHA, SCALE = 1.6732632423543772, 1.0507009873554805


@kernel
def selu_forward(x: In, y: Out, rows: Live, size: Size, thread: Thread, threads: Threads) -> None:
    """y = SCALE * x where x >= 0, else SCALE * ALPHA * (exp(x) - 1). Partition: samples."""
    zero, scale, product = real(0), real(SCALE), real(SCALE * ALPHA)
    for i in range(first_of(rows, thread, threads) * size, last_of(rows, thread, threads) * size):
        v = get(x, i)
        put(y, i, select(v < zero, product * expm1(v), scale * v))


@kernel
def selu_backward(saved: In, dy: In, dx: Out, rows: Live, size: Size, thread: Thread, threads: Threads) -> None:
    """dx = SCALE * dy where y > 0, else dy * (y + SCALE * ALPHA). Saves: y. Partition: samples."""
    zero, scale, product = real(0), real(SCALE), real(SCALE * ALPHA)
    for i in range(first_of(rows, thread, threads) * size, last_of(rows, thread, threads) * size):
        g, v = get(dy, i), get(saved, i)
        put(dx, i, select(v > zero, scale * g, g * (v + product)))


class Selu(Activation):
    """1.0507 * elu(x, alpha=1.6733): G. Klambauer et al. (NIPS 2017), equation 2; goes with lecun_normal weights."""

    type: Literal["selu"] = "selu"
    forward = selu_forward
    backward = selu_backward
