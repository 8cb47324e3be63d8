"""Pooling over windows of images, channels last: every loop's innermost axis is the channels.

x (rows, height, width, channels), y (rows, out_height, out_width, channels); gradients have the same shapes.
`geometry` holds the sizes, as in `dlrun.kernels.convolution`; the part of a window that lies beyond the image doesn't
count.
"""

from dlrun.kernels.chunks import clear
from dlrun.kernels.convolution import (
    CHANNELS,
    HEIGHT,
    KERNEL_HEIGHT,
    KERNEL_WIDTH,
    LEFT,
    OUT_HEIGHT,
    OUT_WIDTH,
    STRIDE_X,
    STRIDE_Y,
    TOP,
    WIDTH,
)
from dlrun.kernels.entries import get, put
from dlrun.kernels.lang import (
    In,
    InBytes,
    InInt,
    InLong,
    Live,
    Out,
    OutBytes,
    OutInt,
    Thread,
    Threads,
    first_of,
    helper,
    helper_apart,
    int32,
    kernel,
    last_of,
    real,
    select,
    shift,
)

"""int32(i): i in 32 bits."""


@helper
def is_two_by_two(g):
    """Return whether windows are 2 x 2, side by side, and whole: the usual case, which has loops of its own."""
    plain = g[KERNEL_HEIGHT] == 2 and g[KERNEL_WIDTH] == 2 and g[STRIDE_Y] == 2 and g[STRIDE_X] == 2
    return plain and 2 * g[OUT_HEIGHT] <= g[HEIGHT] and 2 * g[OUT_WIDTH] <= g[WIDTH]


@helper_apart
def larger_of_four(upper, lower, y, winner, width, channels):
    """y[j, c] = the largest of four, winner[j, c] = which, for a row of windows over two rows of the image.

    The first of equals wins, and NaN wins over all numbers. The loop over the windows stands here so that it's checked
    once for all of them, and not for each, that the vectors don't overlap: 1.3 times faster.
    """
    for j in range(width):
        for c in range(channels):
            p0, p1 = upper[2 * j * channels + c], upper[(2 * j + 1) * channels + c]
            p2, p3 = lower[2 * j * channels + c], lower[(2 * j + 1) * channels + c]
            better = p1 > p0 or p1 != p1
            best, which = select(better, p1, p0), select(better, int32(1), int32(0))
            better = p2 > best or p2 != p2
            best, which = select(better, p2, best), select(better, int32(2), which)
            better = p3 > best or p3 != p3
            y[j * channels + c] = select(better, p3, best)
            winner[j * channels + c] = select(better, int32(3), which)


@helper
def exceeds(value, best):
    """Return whether a number takes the place of the largest so far: NaN does. Without a branch, for vectors."""
    return (value > best) | (value != value)


@helper
def larger(x, tap, y, winner, channels):
    """Let a further tap's entries take the place of those that they exceed. x overlaps neither y nor winner."""
    for c in range(channels):
        value, best, which = get(x, c), y[c], int32(winner[c])
        better = exceeds(value, best)
        put(y, c, select(better, value, best))
        put(winner, c, select(better, int32(tap), which))


@helper
def max_of_image(x, y, winner, g):
    """Compute one sample of `max_pool_forward`."""
    channels, width, pool_width, out_width = g[CHANNELS], g[WIDTH], g[KERNEL_WIDTH], g[OUT_WIDTH]
    fast = is_two_by_two(g)
    for i in range(g[OUT_HEIGHT]):
        top = i * g[STRIDE_Y] - g[TOP]
        if fast:
            upper, line = shift(x, top * width * channels), i * out_width * channels
            larger_of_four(
                upper, shift(upper, width * channels), shift(y, line), shift(winner, line), out_width, channels
            )
            continue
        for j in range(out_width):
            left = j * g[STRIDE_X] - g[LEFT]
            place = (i * out_width + j) * channels
            best, which = shift(y, place), shift(winner, place)
            first_y, first_x = max(0, -top), max(0, -left)
            p = shift(x, ((top + first_y) * width + left + first_x) * channels)
            tap = first_y * pool_width + first_x
            for c in range(channels):
                best[c] = p[c]
                which[c] = tap
            for ky in range(first_y, min(g[KERNEL_HEIGHT], g[HEIGHT] - top)):
                for kx in range(first_x, min(pool_width, width - left)):
                    p = shift(x, ((top + ky) * width + left + kx) * channels)
                    larger(p, ky * pool_width + kx, best, which, channels)


@helper_apart
def route_to_four(dy, winner, upper, lower, width, channels):
    """Write a row of dy to two rows of dx: each entry to the place that won, zero to the other three."""
    for j in range(width):
        for c in range(channels):
            gradient, which = dy[j * channels + c], int32(winner[j * channels + c])
            upper[2 * j * channels + c] = select(which == int32(0), gradient, real(0))
            upper[(2 * j + 1) * channels + c] = select(which == int32(1), gradient, real(0))
            lower[2 * j * channels + c] = select(which == int32(2), gradient, real(0))
            lower[(2 * j + 1) * channels + c] = select(which == int32(3), gradient, real(0))


@helper
def route_to_image(dy, winner, dx, g):
    """Compute one sample of `max_pool_backward`."""
    channels, width, pool_width, out_width = g[CHANNELS], g[WIDTH], g[KERNEL_WIDTH], g[OUT_WIDTH]
    fast = is_two_by_two(g)
    if not (fast and 2 * g[OUT_HEIGHT] == g[HEIGHT] and 2 * g[OUT_WIDTH] == width):
        clear(dx, g[HEIGHT] * width * channels)
    for i in range(g[OUT_HEIGHT]):
        top = i * g[STRIDE_Y] - g[TOP]
        if fast:
            upper, line = shift(dx, top * width * channels), i * out_width * channels
            route_to_four(
                shift(dy, line), shift(winner, line), upper, shift(upper, width * channels), out_width, channels
            )
            continue
        for j in range(out_width):
            left = j * g[STRIDE_X] - g[LEFT]
            place = (i * out_width + j) * channels
            gradient, which = shift(dy, place), shift(winner, place)
            for ky in range(max(0, -top), min(g[KERNEL_HEIGHT], g[HEIGHT] - top)):
                for kx in range(max(0, -left), min(pool_width, width - left)):
                    p = shift(dx, ((top + ky) * width + left + kx) * channels)
                    tap = int32(ky * pool_width + kx)
                    for c in range(channels):
                        p[c] += select(int32(which[c]) == tap, gradient[c], real(0))


@kernel
def max_pool_forward(
    x: In, y: Out, winner: OutBytes, geometry: InLong, rows: Live, thread: Thread, threads: Threads
) -> None:
    """y[r, i, j, c] = the largest x[r, i sy + ky - top, j sx + kx - left, c]; winner = ky pool_width + kx.

    Of equals the first wins; NaN counts as larger than all numbers. Saves for backward: winner. Partition: samples.
    """
    g = geometry
    x_size, y_size = g[HEIGHT] * g[WIDTH] * g[CHANNELS], g[OUT_HEIGHT] * g[OUT_WIDTH] * g[CHANNELS]
    for r in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        max_of_image(shift(x, r * x_size), shift(y, r * y_size), shift(winner, r * y_size), geometry)


@kernel
def max_pool_backward(
    dy: In, winner: InBytes, dx: Out, geometry: InLong, rows: Live, thread: Thread, threads: Threads
) -> None:
    """dx = the sum of dy over the windows that an entry won. Partition: samples."""
    g = geometry
    x_size, y_size = g[HEIGHT] * g[WIDTH] * g[CHANNELS], g[OUT_HEIGHT] * g[OUT_WIDTH] * g[CHANNELS]
    for r in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        route_to_image(shift(dy, r * y_size), shift(winner, r * y_size), shift(dx, r * x_size), geometry)


@kernel
def max_pool_large_forward(
    x: In, y: Out, winner: OutInt, geometry: InLong, rows: Live, thread: Thread, threads: Threads
) -> None:
    """As `max_pool_forward`, for windows of more than 256 places."""
    g = geometry
    x_size, y_size = g[HEIGHT] * g[WIDTH] * g[CHANNELS], g[OUT_HEIGHT] * g[OUT_WIDTH] * g[CHANNELS]
    for r in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        max_of_image(shift(x, r * x_size), shift(y, r * y_size), shift(winner, r * y_size), geometry)


@kernel
def max_pool_large_backward(
    dy: In, winner: InInt, dx: Out, geometry: InLong, rows: Live, thread: Thread, threads: Threads
) -> None:
    """As `max_pool_backward`, for windows of more than 256 places."""
    g = geometry
    x_size, y_size = g[HEIGHT] * g[WIDTH] * g[CHANNELS], g[OUT_HEIGHT] * g[OUT_WIDTH] * g[CHANNELS]
    for r in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        route_to_image(shift(dy, r * y_size), shift(winner, r * y_size), shift(dx, r * x_size), geometry)


@helper
def mean_of_image(x, y, g):
    """Compute one sample of `average_pool_forward`."""
    channels, width = g[CHANNELS], g[WIDTH]
    for i in range(g[OUT_HEIGHT]):
        top = i * g[STRIDE_Y] - g[TOP]
        for j in range(g[OUT_WIDTH]):
            left = j * g[STRIDE_X] - g[LEFT]
            mean = shift(y, (i * g[OUT_WIDTH] + j) * channels)
            clear(mean, channels)
            first_y, last_y = max(0, -top), min(g[KERNEL_HEIGHT], g[HEIGHT] - top)
            first_x, last_x = max(0, -left), min(g[KERNEL_WIDTH], width - left)
            for ky in range(first_y, last_y):
                for kx in range(first_x, last_x):
                    p = shift(x, ((top + ky) * width + left + kx) * channels)
                    for c in range(channels):
                        mean[c] += p[c]
            scale = real(1) / real((last_y - first_y) * (last_x - first_x))
            for c in range(channels):
                mean[c] *= scale


@helper
def spread_over_image(dy, dx, g):
    """Compute one sample of `average_pool_backward`."""
    channels, width = g[CHANNELS], g[WIDTH]
    clear(dx, g[HEIGHT] * width * channels)
    for i in range(g[OUT_HEIGHT]):
        top = i * g[STRIDE_Y] - g[TOP]
        for j in range(g[OUT_WIDTH]):
            left = j * g[STRIDE_X] - g[LEFT]
            gradient = shift(dy, (i * g[OUT_WIDTH] + j) * channels)
            first_y, last_y = max(0, -top), min(g[KERNEL_HEIGHT], g[HEIGHT] - top)
            first_x, last_x = max(0, -left), min(g[KERNEL_WIDTH], width - left)
            scale = real(1) / real((last_y - first_y) * (last_x - first_x))
            for ky in range(first_y, last_y):
                for kx in range(first_x, last_x):
                    p = shift(dx, ((top + ky) * width + left + kx) * channels)
                    for c in range(channels):
                        p[c] += gradient[c] * scale


@kernel
def average_pool_forward(x: In, y: Out, geometry: InLong, rows: Live, thread: Thread, threads: Threads) -> None:
    """y[r, i, j, c] = the mean of x[r, i sy + ky - top, j sx + kx - left, c] over the window. Partition: samples."""
    g = geometry
    x_size, y_size = g[HEIGHT] * g[WIDTH] * g[CHANNELS], g[OUT_HEIGHT] * g[OUT_WIDTH] * g[CHANNELS]
    for r in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        mean_of_image(shift(x, r * x_size), shift(y, r * y_size), geometry)


@kernel
def average_pool_backward(dy: In, dx: Out, geometry: InLong, rows: Live, thread: Thread, threads: Threads) -> None:
    """dx = the sum of dy / places over the windows that an entry is in. Partition: samples."""
    g = geometry
    x_size, y_size = g[HEIGHT] * g[WIDTH] * g[CHANNELS], g[OUT_HEIGHT] * g[OUT_WIDTH] * g[CHANNELS]
    for r in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        spread_over_image(shift(dy, r * y_size), shift(dx, r * x_size), geometry)
