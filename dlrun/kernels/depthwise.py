"""Depthwise convolution: each channel by itself, so that the vector lanes are the channels.

Names and `geometry` as in `dlrun.kernels.convolution`; w is (kernel_height, kernel_width, channels). Taps that fall
beyond the image are left out, so no sample is padded.
"""

from dlrun.kernels.chunks import clear
from dlrun.kernels.convolution import (
    CHANNELS,
    DILATION_X,
    DILATION_Y,
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
from dlrun.kernels.lang import (
    In,
    InLong,
    Live,
    Number,
    Out,
    Thread,
    Threads,
    first_of,
    helper,
    kernel,
    last_of,
    select,
    shift,
)
from dlrun.plan import CHUNKS


@helper
def first_tap(start, dilation):
    """Return the first tap that isn't in front of the image, of a window that begins at `start`."""
    return (-start + dilation - 1) // dilation if start < 0 else 0


@helper
def end_of_taps(start, dilation, taps, extent):
    """Return the end of the taps that aren't behind the image."""
    return min(taps, (extent - start + dilation - 1) // dilation)


@helper
def add_taps(x, step, w, channels, count, y):
    """y[c] += sum_t x[t step + c] w[t channels + c] for `count` neighbouring taps, three at a time."""
    done = count // 3 * 3
    for t in range(0, done, 3):
        x0, w0 = shift(x, t * step), shift(w, t * channels)
        x1, w1, x2, w2 = shift(x0, step), shift(w0, channels), shift(x0, 2 * step), shift(w0, 2 * channels)
        for c in range(channels):
            y[c] = y[c] + x0[c] * w0[c] + x1[c] * w1[c] + x2[c] * w2[c]
    for t in range(done, count):
        x0, w0 = shift(x, t * step), shift(w, t * channels)
        for c in range(channels):
            y[c] += x0[c] * w0[c]


@helper
def add_products(x, step, dy, dw, channels, count):
    """dw[t channels + c] += x[t step + c] dy[c] for `count` neighbouring taps."""
    for t in range(count):
        image, target = shift(x, t * step), shift(dw, t * channels)
        for c in range(channels):
            target[c] += image[c] * dy[c]


@kernel
def depthwise_forward(
    x: In, w: In, b: In, y: Out, floor: Number, geometry: InLong, rows: Live, thread: Thread, threads: Threads
) -> None:
    """y[r, i, j, c] = max(b[c] + sum_{ky, kx} x[r, i sy + ky dy - top, j sx + kx dx - left, c] w[ky, kx, c], floor).

    Partition: samples.
    """
    g = geometry
    channels, width, dilation_y, dilation_x = g[CHANNELS], g[WIDTH], g[DILATION_Y], g[DILATION_X]
    x_size, y_size = g[HEIGHT] * width * channels, g[OUT_HEIGHT] * g[OUT_WIDTH] * channels
    for r in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        for i in range(g[OUT_HEIGHT]):
            top = i * g[STRIDE_Y] - g[TOP]
            for j in range(g[OUT_WIDTH]):
                left = j * g[STRIDE_X] - g[LEFT]
                first = first_tap(left, dilation_x)
                count = end_of_taps(left, dilation_x, g[KERNEL_WIDTH], width) - first
                out = shift(y, r * y_size + (i * g[OUT_WIDTH] + j) * channels)
                for c in range(channels):
                    out[c] = b[c]
                for ky in range(first_tap(top, dilation_y), end_of_taps(top, dilation_y, g[KERNEL_HEIGHT], g[HEIGHT])):
                    place = (top + ky * dilation_y) * width + left + first * dilation_x
                    image = shift(x, r * x_size + place * channels)
                    weights = shift(w, (ky * g[KERNEL_WIDTH] + first) * channels)
                    add_taps(image, dilation_x * channels, weights, channels, count, out)
                for c in range(channels):
                    out[c] = select(out[c] < floor, floor, out[c])


@kernel
def depthwise_backward_input(
    dy: In, w: In, dx: Out, geometry: InLong, rows: Live, thread: Thread, threads: Threads
) -> None:
    """dx[r, i, j, c] = the sum of dy[r, p, q, c] w[ky, kx, c] over the windows p, q and taps that see the place.

    Partition: samples.
    """
    g = geometry
    channels, width, dilation_y, dilation_x = g[CHANNELS], g[WIDTH], g[DILATION_Y], g[DILATION_X]
    places, dy_size = g[HEIGHT] * width, g[OUT_HEIGHT] * g[OUT_WIDTH] * channels
    for r in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        target = shift(dx, r * places * channels)
        clear(target, places * channels)
        for i in range(g[OUT_HEIGHT]):
            top = i * g[STRIDE_Y] - g[TOP]
            for j in range(g[OUT_WIDTH]):
                left = j * g[STRIDE_X] - g[LEFT]
                gradient = shift(dy, r * dy_size + (i * g[OUT_WIDTH] + j) * channels)
                for ky in range(first_tap(top, dilation_y), end_of_taps(top, dilation_y, g[KERNEL_HEIGHT], g[HEIGHT])):
                    row = (top + ky * dilation_y) * width + left
                    for kx in range(first_tap(left, dilation_x), end_of_taps(left, dilation_x, g[KERNEL_WIDTH], width)):
                        out = shift(target, (row + kx * dilation_x) * channels)
                        weights = shift(w, (ky * g[KERNEL_WIDTH] + kx) * channels)
                        for c in range(channels):
                            out[c] += gradient[c] * weights[c]


@kernel
def depthwise_backward_weights(
    x: In, dy: In, partials: Out, geometry: InLong, rows: Live, thread: Thread, threads: Threads
) -> None:
    """For each chunk, dw[ky, kx, c] = sum_{r, i, j} x[r, i sy + ky dy - top, j sx + kx dx - left, c] dy[r, i, j, c].

    partials (CHUNKS, kernel_height, kernel_width, channels): each chunk's dw. Partition: chunks.
    """
    g = geometry
    channels, width, dilation_y, dilation_x = g[CHANNELS], g[WIDTH], g[DILATION_Y], g[DILATION_X]
    x_size, out_places = g[HEIGHT] * width * channels, g[OUT_HEIGHT] * g[OUT_WIDTH]
    weights = g[KERNEL_HEIGHT] * g[KERNEL_WIDTH] * channels
    for chunk in range(first_of(CHUNKS, thread, threads), last_of(CHUNKS, thread, threads)):
        dw = shift(partials, chunk * weights)
        clear(dw, weights)
        for r in range(first_of(rows, chunk, CHUNKS), last_of(rows, chunk, CHUNKS)):
            for place in range(out_places):
                top = place // g[OUT_WIDTH] * g[STRIDE_Y] - g[TOP]
                left = place % g[OUT_WIDTH] * g[STRIDE_X] - g[LEFT]
                gradient = shift(dy, (r * out_places + place) * channels)
                first = first_tap(left, dilation_x)
                count = end_of_taps(left, dilation_x, g[KERNEL_WIDTH], width) - first
                for ky in range(first_tap(top, dilation_y), end_of_taps(top, dilation_y, g[KERNEL_HEIGHT], g[HEIGHT])):
                    row = (top + ky * dilation_y) * width + left + first * dilation_x
                    target = shift(dw, (ky * g[KERNEL_WIDTH] + first) * channels)
                    image = shift(x, r * x_size + row * channels)
                    add_products(image, dilation_x * channels, gradient, target, channels, count)
