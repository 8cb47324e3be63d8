"""Kernels between the data set and a step: rows in, by the epoch's order; results out.

    y[n, i] = data[order[first + n], i] * scale[i % channels] + offset[i % channels]

Shapes: data (all rows, size) as stored, order (epoch's rows), y (rows, size), scale and offset (channels).
Partition: samples, or halves, so that a number is written by the thread that will read it. `middle` is where the second
half begins; by samples, where there is none, the size. The halves of y may be `apart` (`dlrun.kernels.halves`).
"""

from dlrun.kernels.halves import features_from, first_of_part, last_of_part, row_of_part
from dlrun.kernels.lang import (
    In,
    InBytes,
    InDouble,
    InFloat,
    InInt,
    InLong,
    Live,
    Out,
    OutInt,
    Primitive,
    Size,
    Thread,
    Threads,
    first_of,
    helper,
    kernel,
    last_of,
    real,
    shift,
)

prefetch = Primitive("dlrun.kernels.prefetch:prefetch")

AHEAD = 4
"""Rows that are fetched ahead: as the order is random, no hardware would foresee them."""
HEAD, LINE = 1024, 16
"""How many entries of such a row are asked for; a cache line has at least LINE."""


@helper
def fetch_row(data, count):
    """Ask for a row's first entries; what follows them, hardware foresees."""
    for i in range(0, min(count, HEAD), LINE):
        prefetch(shift(data, i))


@helper
def gather_part(data, order, y, y_row, scale, offset, channels, begin, end, size, count):
    """Gather, convert and scale so many entries of rows that are `size` long."""
    width = min(channels, count)
    for n in range(begin, min(begin + AHEAD, end)):
        fetch_row(shift(data, order[n] * size), count)
    for n in range(begin, end):
        if n + AHEAD < end:
            fetch_row(shift(data, order[n + AHEAD] * size), count)
        x, out = shift(data, order[n] * size), shift(y, n * y_row)
        if channels == 1:
            s, o = scale[0], offset[0]
            for i in range(count):
                out[i] = real(x[i]) * s + o
        else:
            for i in range(0, count, width):
                for c in range(width):
                    out[i + c] = real(x[i + c]) * scale[c] + offset[c]


@helper
def gather_scaled(data, order, y, scale, offset, channels, middle, apart, first, rows, size, thread, threads):
    """Gather this thread's parts of rows. A second half begins with a first channel, or each entry has its own."""
    parts = 1 if middle == size else 2
    for part in range(parts):
        at, channel, stop = middle * part, middle * part % channels, middle if part == 0 else size
        begin, end = first_of_part(rows, part, parts, thread, threads), last_of_part(rows, part, parts, thread, threads)
        gather_part(
            shift(data, at), shift(order, first), shift(features_from(y, at, apart), at),
            row_of_part(at, stop, size, apart), shift(scale, channel), shift(offset, channel), channels, begin, end,
            size, stop - at,
        )  # fmt: skip


@kernel
def gather_bytes(
    data: InBytes, order: InLong, y: Out, scale: In, offset: In, channels: Size, middle: Size, apart: Size,
    first: Live, rows: Live, size: Size, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """Gather rows of uint8."""
    gather_scaled(data, order, y, scale, offset, channels, middle, apart, first, rows, size, thread, threads)


@kernel
def gather_floats(
    data: InFloat, order: InLong, y: Out, scale: In, offset: In, channels: Size, middle: Size, apart: Size,
    first: Live, rows: Live, size: Size, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """Gather rows of float32."""
    gather_scaled(data, order, y, scale, offset, channels, middle, apart, first, rows, size, thread, threads)


@kernel
def gather_doubles(
    data: InDouble, order: InLong, y: Out, scale: In, offset: In, channels: Size, middle: Size, apart: Size,
    first: Live, rows: Live, size: Size, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """Gather rows of float64."""
    gather_scaled(data, order, y, scale, offset, channels, middle, apart, first, rows, size, thread, threads)


@kernel
def gather_windows(
    data: InFloat, step: InLong, order: InLong, y: Out, first: Live, rows: Live, size: Size, thread: Thread,
    threads: Threads,
) -> None:  # fmt: skip
    """Gather windows of float32: row r stands `step[0]` numbers after row r - 1, and may share numbers with it."""
    for n in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        x, out = shift(data, order[first + n] * step[0]), shift(y, n * size)
        for i in range(size):
            out[i] = real(x[i])


@kernel
def gather_labels_as_reals(
    data: InInt, order: InLong, y: Out, scale: In, offset: In, channels: Size, middle: Size, apart: Size,
    first: Live, rows: Live, size: Size, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """Gather rows of int32 as reals."""
    gather_scaled(data, order, y, scale, offset, channels, middle, apart, first, rows, size, thread, threads)


@kernel
def gather_labels(
    data: InInt, order: InLong, y: OutInt, first: Live, rows: Live, size: Size, thread: Thread, threads: Threads
) -> None:
    """Gather rows of int32 as they are."""
    for n in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        for i in range(size):
            y[n * size + i] = data[order[first + n] * size + i]


@kernel
def collect(x: In, out: Out, first: Live, rows: Live, size: Size, thread: Thread, threads: Threads) -> None:
    """Write the step's results to their place in the epoch: out[first + n, i] = x[n, i]."""
    for i in range(first_of(rows, thread, threads) * size, last_of(rows, thread, threads) * size):
        out[first * size + i] = x[i]
