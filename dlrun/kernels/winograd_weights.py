"""The gradient of a convolution's weights by Winograd's F(3x3, 4x4): the transpose of `dlrun.kernels.winograd`.

Patches of the image are transformed as in the forward pass, to V (36, tiles, channels), and so are the tiles of the
output's gradient, to D (36, tiles, filters). Their 36 products dU (36, channels, filters), summed over all tiles of a
chunk of samples, are transformed to its part of dw.
"""

from dlrun.kernels.chunks import clear
from dlrun.kernels.convolution import (
    CHANNELS,
    FILTERS,
    HEIGHT,
    LEFT,
    OUT_HEIGHT,
    OUT_WIDTH,
    TOP,
    WIDTH,
    place,
)
from dlrun.kernels.lang import (
    In,
    InLong,
    Live,
    Out,
    Primitive,
    Scratch,
    Thread,
    Threads,
    first_of,
    helper,
    kernel,
    lanes,
    last_of,
    real,
    shift,
    tile_columns,
)
from dlrun.kernels.products import NO_LIMIT, tiles
from dlrun.kernels.winograd import (
    PATCH,
    PLACES,
    SIDE,
    filters_step,
    patched_size,
    run_of_tiles,
    skewed,
    tiles_over,
    transform_images,
)
from dlrun.plan import CHUNKS

_TRANSFORMS = "dlrun.kernels.winograd_transforms"
BLOCK = 36
"""Tiles made at a time: the sums are fetched and stored less often than with the forward pass's block."""
transform_gradient = Primitive(f"{_TRANSFORMS}:transform_gradient", by_lanes=True)
transform_weights = Primitive(f"{_TRANSFORMS}:transform_weights", by_lanes=True)


@helper
def add_products(v, d, du, zeros, v_step, d_step, u_step, is_first, count, channels, filters):
    """du[k, panel, c, n] += sum_t v[k, t, c] d[k, t, panel's n], t < count; without what is there if it `is_first`.

    In panels the sums of a tile follow those of the one before, so that the processor fetches them in time.
    """
    for k in range(PLACES):
        out = shift(du, k * u_step)
        for n in range(0, filters, tile_columns):
            tiles(
                shift(v, k * v_step), 1, channels, 0, shift(d, k * d_step + n), filters, 0,
                zeros if is_first else out, 0 if is_first else tile_columns, out, tile_columns,
                count, 1, channels, min(tile_columns, filters - n), real(NO_LIMIT),
            )  # fmt: skip
            out = shift(out, channels * tile_columns)


@helper
def store_weights(du, u_step, dw, spare, channels, filters):
    """dw = the transform of dU's sums. `spare` has room for 9 rows of a panel that is narrower than a vector."""
    size = channels * filters
    for n in range(0, filters, tile_columns):
        columns, source, target = min(tile_columns, filters - n), shift(du, n * channels), shift(dw, n)
        if columns >= lanes:
            transform_weights(
                source, PATCH * u_step, u_step, tile_columns, target, 3 * size, size, filters, columns, channels
            )
            continue
        for c in range(channels):
            transform_weights(
                shift(source, c * tile_columns), PATCH * u_step, u_step, 0, spare, 3 * lanes, lanes, 0, lanes, 1
            )
            for tap in range(9):
                for j in range(columns):
                    target[tap * size + c * filters + j] = spare[tap * lanes + j]


@helper
def gradient_run(image, d, d_step, number, done, count, filters, across):
    """Transform the tiles of a row from number `number` on, as many as the block still takes, as `transform_run`."""
    run = run_of_tiles(number, across, count - done)
    corner = SIDE * (SIDE * (number // across) * across + number % across)
    transform_gradient(
        shift(image, corner * filters), SIDE * across * filters, filters, SIDE * filters,
        shift(d, done * filters), PATCH * d_step, d_step, filters, filters, run,
    )  # fmt: skip
    return run


@helper
def transform_gradients(dy, image, d, d_step, first, count, height, width, filters):
    """Transform the output's gradient of `count` tiles from number `first` on.

    Where tiles reach beyond it, a sample is copied into `image`, which holds zeros there, at its first tile.
    """
    down, across = tiles_over(height), tiles_over(width)
    is_whole = SIDE * down == height and SIDE * across == width
    done = 0
    while done < count:
        r, number = (first + done) // (down * across), (first + done) % (down * across)
        sample = shift(dy, r * height * width * filters)
        if number == 0 and not is_whole:
            place(sample, image, height, width, filters, 0, 0, SIDE * down, SIDE * across)
        done += gradient_run(sample if is_whole else image, d, d_step, number, done, count, filters, across)


@kernel
def winograd_backward_weights(
    x: In, dy: In, partials: Out, zeros: In, geometry: InLong, scratch: Scratch, rows: Live, thread: Thread,
    threads: Threads,
) -> None:  # fmt: skip
    """For each chunk of samples, dw as `conv_backward_weights`: partials (CHUNKS, 3, 3, channels, filters).

    Partition: chunks.
    """
    height, width, channels, filters = geometry[HEIGHT], geometry[WIDTH], geometry[CHANNELS], geometry[FILTERS]
    out_height, out_width = geometry[OUT_HEIGHT], geometry[OUT_WIDTH]
    down, across = tiles_over(out_height), tiles_over(out_width)
    v_step, d_step, u_step = skewed(BLOCK * channels), skewed(BLOCK * filters), filters_step(channels, filters)
    image, gradient_image = scratch, shift(scratch, patched_size(down, across, channels))
    v = shift(gradient_image, patched_size(down, across, filters))
    d, du = shift(v, PLACES * v_step), shift(v, PLACES * (v_step + d_step))
    clear(scratch, patched_size(down, across, channels) + patched_size(down, across, filters))
    for chunk in range(first_of(CHUNKS, thread, threads), last_of(CHUNKS, thread, threads)):
        dw = shift(partials, chunk * 9 * channels * filters)
        first, last = first_of(rows, chunk, CHUNKS) * down * across, last_of(rows, chunk, CHUNKS) * down * across
        if first == last:
            clear(dw, 9 * channels * filters)
            continue
        for start in range(first, last, BLOCK):
            count = min(BLOCK, last - start)
            transform_images(
                x, image, v, v_step, start, count, height, width, channels, geometry[TOP], geometry[LEFT], down, across
            )
            transform_gradients(dy, gradient_image, d, d_step, start, count, out_height, out_width, filters)
            add_products(v, d, du, zeros, v_step, d_step, u_step, start == first, count, channels, filters)
        store_weights(du, u_step, dw, v, channels, filters)
