"""Masks made of masks: (rows, time), 1 for a real position and 0 for padding."""

from dlrun.kernels.lang import (
    In,
    InOut,
    Live,
    Out,
    Size,
    Thread,
    Threads,
    first_of,
    helper,
    kernel,
    last_of,
    real,
    select,
    shift,
)


@helper
def count_in_window(mask, first, size, dilation):
    """Return how many of the `size` positions, `dilation` apart from `first` on, are real."""
    total = 0
    for i in range(size):
        total += select(mask[first + i * dilation] != real(0), 1, 0)
    return total


@kernel
def mask_of_whole_windows(
    mask: In, y: Out, time: Size, out: Size, size: Size, stride: Size, dilation: Size, rows: Live, thread: Thread,
    threads: Threads,
) -> None:  # fmt: skip
    """y[r, t] = 1 where the window t holds as many real positions as any of the sequence's windows, and one at least.

    So windows of real positions alone are real; of a sequence that is shorter than a window, those that see it whole.
    Shapes: mask (rows, time), y (rows, out). Partition: samples.
    """
    for r in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        here, result = shift(mask, r * time), shift(y, r * out)
        most = 1
        for t in range(out):
            most = max(most, count_in_window(here, t * stride, size, dilation))
        for t in range(out):
            result[t] = select(count_in_window(here, t * stride, size, dilation) == most, real(1), real(0))


@kernel
def mask_of_middles(
    mask: In, y: Out, time: Size, out: Size, stride: Size, middle: Size, rows: Live, thread: Thread, threads: Threads
) -> None:
    """y[r, t] = mask[r, t stride + middle]. Shapes: mask (rows, time), y (rows, out). Partition: samples."""
    for r in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        for t in range(out):
            y[r * out + t] = mask[r * time + min(t * stride + middle, time - 1)]


@kernel
def both_masks(mask: In, y: InOut, time: Size, rows: Live, thread: Thread, threads: Threads) -> None:
    """y = y and mask. Shapes: (rows, time). Partition: samples."""
    for i in range(first_of(rows, thread, threads) * time, last_of(rows, thread, threads) * time):
        y[i] *= mask[i]
