"""The exponential linear unit."""

from typing import ClassVar, Literal

from pydantic import Field

from dlrun.activations.base import Activation
from dlrun.kernels.entries import get, put
from dlrun.kernels.lang import In, Live, Number, Out, Size, Thread, Threads, first_of, kernel, last_of, real, select
from dlrun.kernels.math import expm1


@kernel
def elu_forward(x: In, y: Out, alpha: Number, rows: Live, size: Size, thread: Thread, threads: Threads) -> None:
    """y = x where x >= 0, else alpha * (exp(x) - 1). Partition: samples."""
    zero = real(0)
    for i in range(first_of(rows, thread, threads) * size, last_of(rows, thread, threads) * size):
        v = get(x, i)
        put(y, i, select(v < zero, alpha * expm1(v), v))


@kernel
def elu_backward(
    saved: In, dy: In, dx: Out, alpha: Number, rows: Live, size: Size, thread: Thread, threads: Threads
) -> None:
    """dx = dy where y > 0, else dy * (y + alpha). Saves: y. Partition: samples."""
    zero = real(0)
    for i in range(first_of(rows, thread, threads) * size, last_of(rows, thread, threads) * size):
        g, v = get(dy, i), get(saved, i)
        put(dx, i, select(v > zero, g, g * (v + alpha)))


class Elu(Activation):
    """x where it is positive, else alpha * (exp(x) - 1): D. Clevert, T. Unterthiner & S. Hochreiter (ICLR 2016)."""

    type: Literal["elu"] = "elu"
    alpha: float = Field(default=1.0, ge=0, description="What the function tends to far below zero, negated.")

    forward = elu_forward
    backward = elu_backward
    parameters: ClassVar[tuple[str, ...]] = ("alpha",)
