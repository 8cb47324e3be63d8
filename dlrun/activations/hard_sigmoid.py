"""A piecewise linear sigmoid."""

from typing import Literal

from dlrun.activations.base import Activation
from dlrun.kernels.entries import get, put
from dlrun.kernels.lang import In, Live, Out, Size, Thread, Threads, first_of, kernel, last_of, real, select


@kernel
def hard_sigmoid_forward(x: In, y: Out, rows: Live, size: Size, thread: Thread, threads: Threads) -> None:
    """y = min(max(x / 6 + 1/2, 0), 1); NaN stays NaN. Partition: samples."""
    zero, one, sixth, half = real(0), real(1), real(1 / 6), real(0.5)
    for i in range(first_of(rows, thread, threads) * size, last_of(rows, thread, threads) * size):
        v = get(x, i) * sixth + half
        put(y, i, select(v < zero, zero, select(v > one, one, v)))


@kernel
def hard_sigmoid_backward(saved: In, dy: In, dx: Out, rows: Live, size: Size, thread: Thread, threads: Threads) -> None:
    """dx = dy / 6 where 0 < y < 1, else 0. Saves: y. Partition: samples."""
    zero, one, sixth = real(0), real(1), real(1 / 6)
    for i in range(first_of(rows, thread, threads) * size, last_of(rows, thread, threads) * size):
        v = get(saved, i)
        put(dx, i, select((v > zero) & (v < one), get(dy, i) * sixth, zero))


class HardSigmoid(Activation):
    """relu6(x + 3) / 6: A. Howard et al., Searching for MobileNetV3 (ICCV 2019)."""

    type: Literal["hard_sigmoid"] = "hard_sigmoid"
    forward = hard_sigmoid_forward
    backward = hard_sigmoid_backward
