"""The gradients of a convolution's weights and bias: names as in `dlrun.kernels.convolution`."""

from dlrun.kernels.chunks import add_places, clear
from dlrun.kernels.convolution import (
    CHANNELS,
    DILATION_X,
    DILATION_Y,
    FILTERS,
    GROUPS,
    HEIGHT,
    KERNEL_HEIGHT,
    KERNEL_WIDTH,
    OUT_HEIGHT,
    OUT_WIDTH,
    PADDED_HEIGHT,
    PADDED_WIDTH,
    STRIDE_X,
    STRIDE_Y,
    WIDTH,
    padded_image,
    padding_size,
)
from dlrun.kernels.lang import (
    In,
    InLong,
    Live,
    Out,
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
    tile_columns,
)
from dlrun.kernels.products import NO_LIMIT, tiles
from dlrun.plan import CHUNKS

SLICE = 24
"""How many rows of the weights' gradient are made at a time, where there are no partial sums."""


@helper
def weights_of_image(x, dy, dw, zeros, is_first, g):
    """dw = the gradient that one sample gives, added to what is there unless it is the first. x is padded."""
    channels, filters, groups, width = g[CHANNELS], g[FILTERS], g[GROUPS], g[KERNEL_WIDTH]
    depth, columns, padded_width = channels // groups, filters // groups, g[PADDED_WIDTH]
    parts = 1 if g[DILATION_X] == 1 and groups == 1 else width
    count = width * depth // parts
    for group in range(groups):
        for n in range(0, columns, tile_columns):
            for tap in range(g[KERNEL_HEIGHT] * parts):
                ky, kx = tap // parts, tap % parts
                image = shift(x, (ky * g[DILATION_Y] * padded_width + kx * g[DILATION_X]) * channels + group * depth)
                out = shift(dw, tap * count * filters + group * columns + n)
                tiles(
                    image, 1, g[STRIDE_X] * channels, g[STRIDE_Y] * padded_width * channels,
                    shift(dy, group * columns + n), filters, g[OUT_WIDTH] * filters,
                    zeros if is_first else out, 0 if is_first else filters, out, filters,
                    g[OUT_WIDTH], g[OUT_HEIGHT], count, min(tile_columns, columns - n), real(NO_LIMIT),
                )  # fmt: skip


@helper
def weights_size(g):
    """Return how many weights there are."""
    return g[KERNEL_HEIGHT] * g[KERNEL_WIDTH] * (g[CHANNELS] // g[GROUPS]) * g[FILTERS]


@kernel
def conv_backward_weights(
    x: In, dy: In, partials: Out, zeros: In, geometry: InLong, scratch: Scratch, rows: Live, thread: Thread,
    threads: Threads,
) -> None:  # fmt: skip
    """For each chunk, dw[ky, kx, c, n] = sum_{r, i, j} x[r, i sy + ky dy - top, j sx + kx dx - left, c] dy[r, i, j, n].

    partials (CHUNKS, kernel_height, kernel_width, channels / groups, filters): each chunk's dw, added up in the order
    of its samples. Partition: chunks.
    """
    g = geometry
    x_size, y_size = g[HEIGHT] * g[WIDTH] * g[CHANNELS], g[OUT_HEIGHT] * g[OUT_WIDTH] * g[FILTERS]
    clear(scratch, padding_size(g))
    for chunk in range(first_of(CHUNKS, thread, threads), last_of(CHUNKS, thread, threads)):
        dw = shift(partials, chunk * weights_size(g))
        first, last = first_of(rows, chunk, CHUNKS), last_of(rows, chunk, CHUNKS)
        if first == last:
            clear(dw, weights_size(g))
        for r in range(first, last):
            image = padded_image(shift(x, r * x_size), scratch, g)
            weights_of_image(image, shift(dy, r * y_size), dw, zeros, r == first, g)


@kernel
def conv_pad(x: In, padded: Out, geometry: InLong, rows: Live, thread: Thread, threads: Threads) -> None:
    """Put zeros around every sample: padded (rows, padded_height, padded_width, channels). Partition: samples."""
    g = geometry
    x_size, size = g[HEIGHT] * g[WIDTH] * g[CHANNELS], padding_size(g)
    for r in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        target = shift(padded, r * size)
        clear(target, size)
        padded_image(shift(x, r * x_size), target, g)


@kernel
def conv_backward_weights_sliced(
    x: In, dy: In, dw: Update, zeros: In, geometry: InLong, scratch: Scratch, rows: Live, thread: Thread,
    threads: Threads,
) -> None:  # fmt: skip
    """dw as in `conv_backward_weights`, over all samples in order, a few rows of it at a time, each handed on at once.

    For many weights, of which partial sums would fill the memory. x is padded. Partition: rows of the weights.
    """
    g = geometry
    channels, filters, groups, padded_width = g[CHANNELS], g[FILTERS], g[GROUPS], g[PADDED_WIDTH]
    depth, columns, step = channels // groups, filters // groups, g[STRIDE_X] * channels
    x_size, dy_size = g[PADDED_HEIGHT] * padded_width * channels, g[OUT_HEIGHT] * g[OUT_WIDTH] * filters
    parts = 1 if g[DILATION_X] == 1 and groups == 1 else g[KERNEL_WIDTH]
    count = g[KERNEL_WIDTH] * depth // parts
    slices = (count + SLICE - 1) // SLICE
    blocks = g[KERNEL_HEIGHT] * parts * slices
    for block in range(first_of(blocks, thread, threads), last_of(blocks, thread, threads)):
        tap, first = block // slices, block % slices * SLICE
        size = min(SLICE, count - first)
        corner = (tap // parts * g[DILATION_Y] * padded_width + tap % parts * g[DILATION_X]) * channels + first
        for r in range(rows):
            for group in range(groups):
                for n in range(0, columns, tile_columns):
                    out = shift(scratch, group * columns + n)
                    tiles(
                        shift(x, r * x_size + corner + group * depth), 1, step, g[STRIDE_Y] * padded_width * channels,
                        shift(dy, r * dy_size + group * columns + n), filters, g[OUT_WIDTH] * filters,
                        zeros if r == 0 else out, 0 if r == 0 else filters, out, filters,
                        g[OUT_WIDTH], g[OUT_HEIGHT], size, min(tile_columns, columns - n), real(NO_LIMIT),
                    )  # fmt: skip
        apply_update(dw, scratch, (tap * count + first) * filters, size * filters)


@kernel
def bias_backward(
    dy: In, partials: Out, rows: Live, places: Size, filters: Size, thread: Thread, threads: Threads
) -> None:
    """For each chunk of samples, partials[chunk, n] = sum_{r, i} dy[r, i, n].

    Shapes: dy (rows, places, filters), partials (CHUNKS, filters). Partition: chunks.
    """
    for chunk in range(first_of(CHUNKS, thread, threads), last_of(CHUNKS, thread, threads)):
        first, last = first_of(rows, chunk, CHUNKS), last_of(rows, chunk, CHUNKS)
        db = shift(partials, chunk * filters)
        clear(db, filters)
        for r in range(first, last):
            add_places(shift(dy, r * places * filters), db, places, filters)
