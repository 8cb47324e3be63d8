"""Kernels over the entries of sample-wise buffers that no single layer owns."""

from dlrun.kernels.lang import In, InOut, Live, Out, OutLong, Size, Thread, Threads, first_of, kernel, last_of, real


@kernel
def copy(x: In, y: Out, rows: Live, size: Size, thread: Thread, threads: Threads) -> None:
    """y = x. Shapes: x, y (rows, size). Partition: samples."""
    for i in range(first_of(rows, thread, threads) * size, last_of(rows, thread, threads) * size):
        y[i] = x[i]


@kernel
def accumulate(x: In, y: InOut, rows: Live, size: Size, thread: Thread, threads: Threads) -> None:
    """y = y + x. Shapes: x, y (rows, size). Partition: samples."""
    for i in range(first_of(rows, thread, threads) * size, last_of(rows, thread, threads) * size):
        y[i] += x[i]


@kernel
def multiply_rows(rows: Live, times: Size, total: OutLong) -> None:
    """total[0] = rows * times: how many samples a step has where each row is several."""
    total[0] = rows * times


@kernel
def check_losses(losses: In, rows: Live) -> int:
    """Return 1 if a loss of the step is NaN or infinite, else 0: every thread reads all, so all come to the same.

    Shapes: losses (rows). Stands after a barrier and before the first update, so a bad step changes no weight.
    """
    bad = 0
    for n in range(rows):
        if losses[n] - losses[n] != real(0):
            bad = 1
    return bad
