"""The logistic function."""

from typing import Literal

from dlrun.activations.base import Activation
from dlrun.kernels.entries import get, put
from dlrun.kernels.lang import In, Live, Out, Size, Thread, Threads, first_of, kernel, last_of, real
from dlrun.kernels.math import sigmoid


@kernel
def sigmoid_forward(x: In, y: Out, rows: Live, size: Size, thread: Thread, threads: Threads) -> None:
    """y = 1 / (1 + exp(-x)). Partition: samples."""
    for i in range(first_of(rows, thread, threads) * size, last_of(rows, thread, threads) * size):
        put(y, i, sigmoid(get(x, i)))


@kernel
def sigmoid_backward(saved: In, dy: In, dx: Out, rows: Live, size: Size, thread: Thread, threads: Threads) -> None:
    """dx = dy * y * (1 - y). Saves: y. Partition: samples."""
    one = real(1)
    for i in range(first_of(rows, thread, threads) * size, last_of(rows, thread, threads) * size):
        v = get(saved, i)
        put(dx, i, get(dy, i) * v * (one - v))


class Sigmoid(Activation):
    """1 / (1 + exp(-x)): between 0 and 1."""

    type: Literal["sigmoid"] = "sigmoid"
    forward = sigmoid_forward
    backward = sigmoid_backward
