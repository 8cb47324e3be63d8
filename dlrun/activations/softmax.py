"""Softmax along the last axis."""

from typing import ClassVar, Literal

from dlrun.activations.base import Activation
from dlrun.kernels.entries import get, put
from dlrun.kernels.lang import In, Live, Out, Size, Thread, Threads, first_of, kernel, last_of, shift
from dlrun.kernels.math import exp
from dlrun.kernels.statistics import row_dot, row_max, row_sum


@kernel
def softmax_forward(x: In, y: Out, rows: Live, size: Size, width: Size, thread: Thread, threads: Threads) -> None:
    """y = exp(x - max x) / sum exp(x - max x), over each `width` entries. Partition: samples."""
    parts = size // width
    for part in range(first_of(rows, thread, threads) * parts, last_of(rows, thread, threads) * parts):
        z, p = shift(x, part * width), shift(y, part * width)
        top = row_max(z, width)
        for i in range(width):
            put(p, i, exp(get(z, i) - top))
        total = row_sum(p, width)
        for i in range(width):
            p[i] = p[i] / total


@kernel
def softmax_backward(
    saved: In, dy: In, dx: Out, rows: Live, size: Size, width: Size, thread: Thread, threads: Threads
) -> None:
    """dx = y * (dy - sum y * dy), over each `width` entries. Saves: y. Partition: samples."""
    parts = size // width
    for part in range(first_of(rows, thread, threads) * parts, last_of(rows, thread, threads) * parts):
        y, g, out = shift(saved, part * width), shift(dy, part * width), shift(dx, part * width)
        mean = row_dot(y, g, width)
        for i in range(width):
            put(out, i, get(y, i) * (get(g, i) - mean))


class Softmax(Activation):
    """exp(x) over its sum along the last axis: probabilities of exclusive classes."""

    type: Literal["softmax"] = "softmax"
    forward = softmax_forward
    backward = softmax_backward
    along_last_axis: ClassVar[bool] = True
