"""Sums over the samples of a step: partial sums over fixed chunks, then over the chunks, in their order.

So a sum has the same bits however many threads there are.
"""

from dlrun.kernels.lang import (
    In,
    Scratch,
    Size,
    Thread,
    Threads,
    Update,
    apply_update,
    first_of,
    helper,
    kernel,
    last_of,
    real,
    shift,
)
from dlrun.plan import CHUNKS

BLOCK = 512
"""How many entries of the partial sums are combined at a time."""


@helper
def clear(p, count):
    """Set p[0 .. count) to 0."""
    for i in range(count):
        p[i] = real(0)


@helper
def add_places(x, total, places, channels):
    """total[c] += sum over places of x[place, c], four places at a time."""
    done = places // 4 * 4
    for p in range(0, done, 4):
        x0, x1 = shift(x, p * channels), shift(x, (p + 1) * channels)
        x2, x3 = shift(x, (p + 2) * channels), shift(x, (p + 3) * channels)
        for c in range(channels):
            total[c] += (x0[c] + x1[c]) + (x2[c] + x3[c])
    for p in range(done, places):
        x0 = shift(x, p * channels)
        for c in range(channels):
            total[c] += x0[c]


@kernel
def combine_chunks(
    partials: In, gradient: Update, scratch: Scratch, size: Size, thread: Thread, threads: Threads
) -> None:
    """gradient[i] = sum over chunks, in their order, of partials[chunk, i].

    Shapes: partials (CHUNKS, size). Partition: entries.
    """
    blocks = (size + BLOCK - 1) // BLOCK
    for block in range(first_of(blocks, thread, threads), last_of(blocks, thread, threads)):
        start = block * BLOCK
        count = min(BLOCK, size - start)
        part = shift(partials, start)
        for i in range(count):
            scratch[i] = part[i]
        for chunk in range(1, CHUNKS):
            part = shift(partials, chunk * size + start)
            for i in range(count):
                scratch[i] += part[i]
        apply_update(gradient, scratch, start, count)
