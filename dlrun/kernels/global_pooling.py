"""Pooling over all places of a sample: x (rows, places, channels), y (rows, channels)."""

from dlrun.kernels.chunks import clear
from dlrun.kernels.entries import get, put
from dlrun.kernels.lang import (
    In,
    InInt,
    Live,
    Out,
    OutInt,
    Size,
    Thread,
    Threads,
    first_of,
    helper,
    int32,
    kernel,
    last_of,
    real,
    select,
    shift,
)
from dlrun.kernels.pooling import exceeds, larger

TOGETHER = 4
"""Places whose entries are compared before the largest so far is stored."""


@helper
def largest_of_four(x, first, y, winner, channels):
    """Let the entries of four places, x (4, channels), take the place of those that they exceed."""
    for c in range(channels):
        p0, p1, p2, p3 = get(x, c), get(x, channels + c), get(x, 2 * channels + c), get(x, 3 * channels + c)
        best, which = y[c], int32(winner[c])
        better = exceeds(p0, best)
        best, which = select(better, p0, best), select(better, int32(first), which)
        better = exceeds(p1, best)
        best, which = select(better, p1, best), select(better, int32(first + 1), which)
        better = exceeds(p2, best)
        best, which = select(better, p2, best), select(better, int32(first + 2), which)
        better = exceeds(p3, best)
        put(y, c, select(better, p3, best))
        put(winner, c, select(better, int32(first + 3), which))


@kernel
def global_max_forward(
    x: In, y: Out, winner: OutInt, rows: Live, places: Size, channels: Size, thread: Thread, threads: Threads
) -> None:
    """y[r, c] = the largest x[r, i, c]; winner = i, the first of equals; NaN counts as larger than all numbers.

    Saves for backward: winner (rows, channels). Partition: samples.
    """
    for r in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        image, best, which = shift(x, r * places * channels), shift(y, r * channels), shift(winner, r * channels)
        for c in range(channels):
            best[c] = image[c]
            which[c] = 0
        i = 1
        while i + TOGETHER <= places:
            largest_of_four(shift(image, i * channels), i, best, which, channels)
            i += TOGETHER
        while i < places:
            larger(shift(image, i * channels), i, best, which, channels)
            i += 1


@kernel
def global_max_backward(
    dy: In, winner: InInt, dx: Out, rows: Live, places: Size, channels: Size, thread: Thread, threads: Threads
) -> None:
    """dx[r, winner[r, c], c] = dy[r, c], all else 0. Partition: samples."""
    for r in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        target = shift(dx, r * places * channels)
        clear(target, places * channels)
        for c in range(channels):
            target[winner[r * channels + c] * channels + c] = dy[r * channels + c]


@kernel
def global_average_forward(
    x: In, y: Out, rows: Live, places: Size, channels: Size, thread: Thread, threads: Threads
) -> None:
    """y[r, c] = the mean of x[r, i, c] over i, added up in order. Partition: samples."""
    scale = real(1) / real(places)
    for r in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        image, mean = shift(x, r * places * channels), shift(y, r * channels)
        clear(mean, channels)
        for i in range(places):
            row = shift(image, i * channels)
            for c in range(channels):
                mean[c] += row[c]
        for c in range(channels):
            mean[c] *= scale


@kernel
def global_average_backward(
    dy: In, dx: Out, rows: Live, places: Size, channels: Size, thread: Thread, threads: Threads
) -> None:
    """dx[r, i, c] = dy[r, c] / places. Partition: samples."""
    scale = real(1) / real(places)
    for r in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        gradient = shift(dy, r * channels)
        for i in range(places):
            row = shift(dx, (r * places + i) * channels)
            for c in range(channels):
                row[c] = gradient[c] * scale
