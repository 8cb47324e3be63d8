"""Enlarging images by whole factors, `down` and `right`, channels last.

x (rows, height, width, channels), y (rows, height * down, width * right, channels). For bilinear interpolation,
`places` and `shares` hold for each row of y, then for each column, the entry of x below its centre and the share of
the next entry.
"""

from dlrun.kernels.chunks import clear
from dlrun.kernels.lang import (
    In,
    InInt,
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
    shift,
)


@kernel
def nearest_forward(
    x: In, y: Out, rows: Live, height: Size, width: Size, channels: Size, down: Size, right: Size, thread: Thread,
    threads: Threads,
) -> None:  # fmt: skip
    """y[r, i, j, c] = x[r, i // down, j // right, c]. Partition: samples."""
    for line in range(first_of(rows, thread, threads) * height * down, last_of(rows, thread, threads) * height * down):
        for j in range(width * right):
            source = shift(x, (line // down * width + j // right) * channels)
            target = shift(y, (line * width * right + j) * channels)
            for c in range(channels):
                target[c] = source[c]


@kernel
def nearest_backward(
    dy: In, dx: Out, rows: Live, height: Size, width: Size, channels: Size, down: Size, right: Size, thread: Thread,
    threads: Threads,
) -> None:  # fmt: skip
    """dx[r, i, j, c] = the sum of dy over the entries that repeat it. Partition: samples."""
    size = height * width * channels
    first, last = first_of(rows, thread, threads), last_of(rows, thread, threads)
    clear(shift(dx, first * size), (last - first) * size)
    for line in range(first * height * down, last * height * down):
        for j in range(width * right):
            source = shift(dy, (line * width * right + j) * channels)
            target = shift(dx, (line // down * width + j // right) * channels)
            for c in range(channels):
                target[c] += source[c]


@helper
def step_to_next(place, extent, step):
    """Return the way to the next entry of an axis, or none where there is only one."""
    return step if place + 1 < extent else 0


@kernel
def bilinear_forward(
    x: In, y: Out, places: InInt, shares: In, rows: Live, height: Size, width: Size, channels: Size, down: Size,
    right: Size, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """y = the mean of the four entries of x around each entry's centre, by nearness. Partition: samples."""
    out_height, out_width = height * down, width * right
    for line in range(first_of(rows, thread, threads) * out_height, last_of(rows, thread, threads) * out_height):
        r, i = line // out_height, line % out_height
        below = step_to_next(places[i], height, width * channels)
        for j in range(out_width):
            low_x, share_y, share_x = places[out_height + j], shares[i], shares[out_height + j]
            p0 = shift(x, ((r * height + places[i]) * width + low_x) * channels)
            p2, beside = shift(p0, below), step_to_next(low_x, width, channels)
            p1, p3 = shift(p0, beside), shift(p2, beside)
            w0, w1 = (real(1) - share_y) * (real(1) - share_x), (real(1) - share_y) * share_x
            w2, w3 = share_y * (real(1) - share_x), share_y * share_x
            target = shift(y, (line * out_width + j) * channels)
            for c in range(channels):
                target[c] = (w0 * p0[c] + w1 * p1[c]) + (w2 * p2[c] + w3 * p3[c])


@helper
def add_scaled(x, scale, y, count):
    """y += scale x."""
    for i in range(count):
        y[i] += scale * x[i]


@kernel
def bilinear_backward(
    dy: In, dx: Out, places: InInt, shares: In, rows: Live, height: Size, width: Size, channels: Size, down: Size,
    right: Size, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """dx = the sum of each dy times the share it had of an entry. Partition: samples."""
    out_height, out_width, size = height * down, width * right, height * width * channels
    first, last = first_of(rows, thread, threads), last_of(rows, thread, threads)
    clear(shift(dx, first * size), (last - first) * size)
    for line in range(first * out_height, last * out_height):
        r, i = line // out_height, line % out_height
        below = step_to_next(places[i], height, width * channels)
        for j in range(out_width):
            low_x, share_y, share_x = places[out_height + j], shares[i], shares[out_height + j]
            p0 = shift(dx, ((r * height + places[i]) * width + low_x) * channels)
            p2, beside = shift(p0, below), step_to_next(low_x, width, channels)
            source = shift(dy, (line * out_width + j) * channels)
            add_scaled(source, (real(1) - share_y) * (real(1) - share_x), p0, channels)
            add_scaled(source, (real(1) - share_y) * share_x, shift(p0, beside), channels)
            add_scaled(source, share_y * (real(1) - share_x), p2, channels)
            add_scaled(source, share_y * share_x, shift(p2, beside), channels)
