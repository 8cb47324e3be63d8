"""Pooling over the real positions of padded sequences, as a whole and by windows.

Shapes: x (rows, time, channels), mask (rows, time), y (rows, channels) or (rows, out, channels). Padding's entries are
not read, and get no gradient. A sequence or window of nothing but padding gives 0. The way back of a whole sequence is
that of one window as long as it.
"""

from dlrun.kernels.chunks import clear
from dlrun.kernels.global_pooling import TOGETHER, largest_of_four
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
    kernel,
    last_of,
    real,
    select,
    shift,
)
from dlrun.kernels.pooling import larger


@helper
def count_real(mask, time):
    """Return how many positions are real."""
    total = 0
    for t in range(time):
        total += select(mask[t] != real(0), 1, 0)
    return total


@kernel
def masked_max_forward(
    x: In, mask: In, y: Out, winner: OutInt, rows: Live, time: Size, channels: Size, thread: Thread, threads: Threads
) -> None:
    """y[r, c] = the largest x[r, t, c] of real t; winner = t, the first of equals, or -1 where there is none.

    NaN counts as larger than all numbers. Saves for backward: winner (rows, channels). Partition: samples.
    """
    for r in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        sequence, is_real = shift(x, r * time * channels), shift(mask, r * time)
        best, which = shift(y, r * channels), shift(winner, r * channels)
        t = 0
        while t < time and is_real[t] == real(0):
            t += 1
        if t == time:
            clear(best, channels)
            for c in range(channels):
                which[c] = -1
            continue
        start = shift(sequence, t * channels)
        for c in range(channels):
            best[c] = start[c]
            which[c] = t
        t += 1
        while t < time:
            here = shift(sequence, t * channels)
            if t + TOGETHER <= time and count_real(shift(is_real, t), TOGETHER) == TOGETHER:
                largest_of_four(here, t, best, which, channels)
                t += TOGETHER
            else:
                if is_real[t] != real(0):
                    larger(here, t, best, which, channels)
                t += 1


@kernel
def masked_average_forward(
    x: In, mask: In, y: Out, rows: Live, time: Size, channels: Size, thread: Thread, threads: Threads
) -> None:
    """y[r, c] = the mean of x[r, t, c] over real t, added up in order. Partition: samples."""
    for r in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        sequence, is_real, mean = shift(x, r * time * channels), shift(mask, r * time), shift(y, r * channels)
        clear(mean, channels)
        for t in range(time):
            if is_real[t] != real(0):
                row = shift(sequence, t * channels)
                for c in range(channels):
                    mean[c] += row[c]
        scale = real(1) / real(max(count_real(is_real, time), 1))
        for c in range(channels):
            mean[c] *= scale


@kernel
def masked_windows_max_forward(
    x: In, mask: In, y: Out, new_mask: Out, winner: OutInt, rows: Live, time: Size, out: Size, size: Size,
    stride: Size, before: Size, channels: Size, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """y[r, o, c] = the largest x[r, t, c] of real t in the window o; winner = t, the first of equals, or -1.

    A window's t are those of [o stride - before, o stride - before + size) within the sequence. new_mask (rows, out) is
    1 where there is a real one. Saves for backward: winner (rows, out, channels). Partition: samples.
    """
    for r in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        sequence, is_real = shift(x, r * time * channels), shift(mask, r * time)
        for o in range(out):
            place = r * out + o
            best, which, found = shift(y, place * channels), shift(winner, place * channels), 0
            first = o * stride - before
            for t in range(max(first, 0), min(first + size, time)):
                if is_real[t] == real(0):
                    continue
                here = shift(sequence, t * channels)
                if found > 0:
                    larger(here, t, best, which, channels)
                else:
                    found = 1
                    for c in range(channels):
                        best[c] = here[c]
                        which[c] = t
            if found == 0:
                clear(best, channels)
                for c in range(channels):
                    which[c] = -1
            new_mask[place] = real(found)


@kernel
def masked_windows_max_backward(
    dy: In, winner: InInt, dx: Out, rows: Live, time: Size, out: Size, channels: Size, thread: Thread, threads: Threads
) -> None:
    """dx[r, winner[r, o, c], c] += dy[r, o, c], all else 0. Partition: samples."""
    for r in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        target = shift(dx, r * time * channels)
        clear(target, time * channels)
        for place in range(r * out, (r + 1) * out):
            which, gradient = shift(winner, place * channels), shift(dy, place * channels)
            if which[0] >= 0:
                for c in range(channels):
                    target[which[c] * channels + c] += gradient[c]


@kernel
def masked_windows_average_forward(
    x: In, mask: In, y: Out, new_mask: Out, rows: Live, time: Size, out: Size, size: Size, stride: Size, before: Size,
    channels: Size, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """y[r, o, c] = the mean of x[r, t, c] over real t in the window o; names as above. Partition: samples."""
    for r in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        sequence, is_real = shift(x, r * time * channels), shift(mask, r * time)
        for o in range(out):
            mean, count = shift(y, (r * out + o) * channels), 0
            clear(mean, channels)
            first = o * stride - before
            for t in range(max(first, 0), min(first + size, time)):
                if is_real[t] != real(0):
                    count += 1
                    row = shift(sequence, t * channels)
                    for c in range(channels):
                        mean[c] += row[c]
            scale = real(1) / real(max(count, 1))
            for c in range(channels):
                mean[c] *= scale
            new_mask[r * out + o] = real(min(count, 1))


@kernel
def masked_windows_average_backward(
    dy: In, mask: In, dx: Out, rows: Live, time: Size, out: Size, size: Size, stride: Size, before: Size,
    channels: Size, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """dx[r, t, c] += dy[r, o, c] / the count of real positions in the window o, at each of them. Partition: samples."""
    for r in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        target, is_real = shift(dx, r * time * channels), shift(mask, r * time)
        clear(target, time * channels)
        for o in range(out):
            gradient, first = shift(dy, (r * out + o) * channels), o * stride - before
            start, end = max(first, 0), min(first + size, time)
            scale = real(1) / real(max(count_real(shift(is_real, start), end - start), 1))
            for t in range(start, end):
                if is_real[t] != real(0):
                    row = shift(target, t * channels)
                    for c in range(channels):
                        row[c] += gradient[c] * scale
