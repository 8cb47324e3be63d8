"""Random numbers for all entries of samples, and what is made of them by more than one component."""

from dlrun.kernels.entries import get, put
from dlrun.kernels.lang import (
    In,
    Live,
    Number,
    Out,
    Scratch,
    Size,
    Thread,
    Threads,
    first_of,
    helper,
    kernel,
    last_of,
    shift,
)
from dlrun.kernels.math import normal_quantile
from dlrun.kernels.philox import UNIFORMS, uniform_block

DRAWS = 1024
"""Random numbers made at a time: they stay in L1 until they are used."""


@helper
def draw_entries(u, key, step, row, first, count):
    """Write the draws of a sample's entries [first, first + count) to u, whole blocks of them; 32 divides `first`."""
    for i in range(0, count, UNIFORMS):
        uniform_block(shift(u, i), key, step, row, (first + i) // UNIFORMS)


@kernel
def add_noise(
    x: In, y: Out, key: Size, stddev: Number, scratch: Scratch, step: Live, rows: Live, size: Size, thread: Thread,
    threads: Threads,
) -> None:  # fmt: skip
    """y = x + stddev * z, with z normal by (key, step, row, entry).

    Shapes: x, y (rows, size), scratch (DRAWS). y may be x. Partition: samples.
    """
    for n in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        for first in range(0, size, DRAWS):
            count = min(DRAWS, size - first)
            draw_entries(scratch, key, step, n, first, count)
            x_here, y_here = shift(x, n * size + first), shift(y, n * size + first)
            for i in range(count):
                put(y_here, i, get(x_here, i) + stddev * normal_quantile(get(scratch, i)))
