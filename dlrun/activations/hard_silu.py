"""A piecewise polynomial silu."""

from typing import ClassVar, Literal

from dlrun.activations.base import Activation
from dlrun.kernels.entries import get, put
from dlrun.kernels.lang import In, Live, Out, Size, Thread, Threads, first_of, kernel, last_of, real, select


@kernel
def hard_silu_forward(x: In, y: Out, rows: Live, size: Size, thread: Thread, threads: Threads) -> None:
    """y = x * min(max(x / 6 + 1/2, 0), 1); NaN stays NaN. Partition: samples."""
    zero, one, sixth, half = real(0), real(1), real(1 / 6), real(0.5)
    for i in range(first_of(rows, thread, threads) * size, last_of(rows, thread, threads) * size):
        v = get(x, i)
        gate = v * sixth + half
        put(y, i, v * select(gate < zero, zero, select(gate > one, one, gate)))


@kernel
def hard_silu_backward(saved: In, dy: In, dx: Out, rows: Live, size: Size, thread: Thread, threads: Threads) -> None:
    """dx = dy * (x / 3 + 1/2) where -3 < x < 3, dy above, 0 below. Saves: x. Partition: samples."""
    zero, one, third, half, edge = real(0), real(1), real(1 / 3), real(0.5), real(3)
    for i in range(first_of(rows, thread, threads) * size, last_of(rows, thread, threads) * size):
        v = get(saved, i)
        slope = select(v <= -edge, zero, select(v >= edge, one, v * third + half))
        put(dx, i, get(dy, i) * slope)


class HardSilu(Activation):
    """x * relu6(x + 3) / 6: A. Howard et al., Searching for MobileNetV3 (ICCV 2019)."""

    type: Literal["hard_silu"] = "hard_silu"
    forward = hard_silu_forward
    backward = hard_silu_backward
    saves: ClassVar[str] = "input"
