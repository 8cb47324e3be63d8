"""The rectified linear unit that lets a little of the negative side through."""

from typing import ClassVar, Literal

from pydantic import Field

from dlrun.activations.base import Activation
from dlrun.kernels.entries import get, put
from dlrun.kernels.lang import In, Live, Number, Out, Size, Thread, Threads, first_of, kernel, last_of, real, select


@kernel
def leaky_relu_forward(
    x: In, y: Out, negative_slope: Number, rows: Live, size: Size, thread: Thread, threads: Threads
) -> None:
    """y = x where x >= 0, else negative_slope * x. Partition: samples."""
    zero = real(0)
    for i in range(first_of(rows, thread, threads) * size, last_of(rows, thread, threads) * size):
        v = get(x, i)
        put(y, i, select(v < zero, negative_slope * v, v))


@kernel
def leaky_relu_backward(
    saved: In, dy: In, dx: Out, negative_slope: Number, rows: Live, size: Size, thread: Thread, threads: Threads
) -> None:
    """dx = dy where y > 0, else negative_slope * dy. Saves: y. Partition: samples."""
    zero = real(0)
    for i in range(first_of(rows, thread, threads) * size, last_of(rows, thread, threads) * size):
        g = get(dy, i)
        put(dx, i, select(get(saved, i) > zero, g, negative_slope * g))


class LeakyRelu(Activation):
    """x where it is positive, else negative_slope * x: A. L. Maas, A. Y. Hannun & A. Y. Ng (2013)."""

    aliases: ClassVar = {"alpha": "negative_slope"}

    type: Literal["leaky_relu"] = "leaky_relu"
    negative_slope: float = Field(default=0.2, ge=0, description="The slope below zero.")

    forward = leaky_relu_forward
    backward = leaky_relu_backward
    parameters: ClassVar[tuple[str, ...]] = ("negative_slope",)
