"""Recurrent layers' outputs where they aren't the hidden states as they were written; names as in `recurrent`."""

from dlrun.kernels.lang import In, InLong, Live, Out, Size, Thread, Threads, first_of, kernel, last_of, real, shift
from dlrun.kernels.recurrent import (
    BACKWARDS,
    GRADIENT_AT,
    GRADIENT_ROW,
    GRADIENT_STEP,
    HIDDEN_AT,
    HIDDEN_ROW,
    HIDDEN_STEP,
    SEQUENCES,
    TIME,
    UNITS,
    ZERO_MASKED,
)


@kernel
def take_steps(hidden: In, mask: In, y: Out, geometry: InLong, rows: Live, thread: Thread, threads: Threads) -> None:
    """y = the hidden states of all steps, 0 at padding if geometry says so, or the last step's alone.

    Shapes: hidden (rows, steps, units), mask (rows, time), y (rows, steps or 1, units of both directions).
    Partition: samples.
    """
    g = geometry
    time, units = g[TIME], g[UNITS]
    first = 0 if g[SEQUENCES] != 0 else time - 1
    for row in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        for s in range(first, time):
            h = shift(hidden, g[HIDDEN_AT] + row * g[HIDDEN_ROW] + s * g[HIDDEN_STEP])
            out = shift(y, g[GRADIENT_AT] + row * g[GRADIENT_ROW] + s * g[GRADIENT_STEP])
            position = time - 1 - s if g[BACKWARDS] != 0 else s
            if g[ZERO_MASKED] != 0 and mask[row * time + position] == real(0):
                for j in range(units):
                    out[j] = real(0)
            else:
                for j in range(units):
                    out[j] = h[j]


@kernel
def copy_state(
    source: In, target: Out, source_row: Size, source_at: Size, target_row: Size, target_at: Size, units: Size,
    rows: Live, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """target[row, target_at + j] = source[row, source_at + j], j < units: a stateful layer's state, in or out.

    Shapes: source (rows, source_row), target (rows, target_row). Partition: samples.
    """
    for row in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        here, there = shift(source, row * source_row + source_at), shift(target, row * target_row + target_at)
        for j in range(units):
            there[j] = here[j]


@kernel
def reverse_mask(mask: In, reversed: Out, rows: Live, time: Size, thread: Thread, threads: Threads) -> None:
    """reversed[row, s] = mask[row, time - 1 - s]. Shapes: (rows, time). Partition: samples."""
    for row in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        for s in range(time):
            reversed[row * time + s] = mask[(row + 1) * time - 1 - s]
