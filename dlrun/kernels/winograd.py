"""Winograd's minimal filtering F(4x4, 3x3): convolutions with 36 multiplications for 16 outputs where there were 144.

For stride 1, without dilation and groups, channels last (`dlrun.kernels.winograd_transforms` has the equations and
sources). The output is cut into tiles of 4x4; each comes from a patch of 6x6 of the padded image, and neighbours'
patches overlap by 2. Patches and filters are transformed, to V (36, tiles, channels) and U (36, channels, filters);
then there are 36 products M = V U on `tile`, and M (36, tiles, filters) is transformed to the outputs.

V and M are made for BLOCK tiles at a time, so that they stay in the cache; a block runs over from one sample to the
next, so that small images fill it too. Each number of M is one chain of multiply-adds over the channels, whatever the
block: bits depend neither on it nor on threads or the batch.

Names as in `dlrun.kernels.convolution`.
"""

from dlrun.kernels.chunks import clear
from dlrun.kernels.convolution import (
    CHANNELS,
    FILTERS,
    GRADIENT_LEFT,
    GRADIENT_TOP,
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
    Number,
    Out,
    Primitive,
    Scratch,
    Thread,
    Threads,
    first_of,
    helper,
    kernel,
    last_of,
    real,
    shift,
    tile_columns,
)
from dlrun.kernels.products import NO_LIMIT, tiles

_TRANSFORMS = "dlrun.kernels.winograd_transforms"
transform_image = Primitive(f"{_TRANSFORMS}:transform_image", by_lanes=True)
transform_filter = Primitive(f"{_TRANSFORMS}:transform_filter", by_lanes=True)
transform_output = Primitive(f"{_TRANSFORMS}:transform_output", by_lanes=True)
SIDE, PATCH = 4, 6
"""The outputs of a tile, and the entries of its patch, in each direction."""
PLACES = PATCH * PATCH
"""The entries of a patch, and the products."""
BLOCK = 24
"""Tiles made at a time: a multiple of the register tile's rows on every machine. 12 to 36 are equally fast."""
SOME = 16
"""Filters transposed at a time."""
LINE = 16
"""Entries that arrays in scratch memory are rounded up to: a cache line of float32."""


@helper
def skewed(size):
    """Return the distance between PLACES arrays of a size: an odd number of cache lines, so that they share no sets."""
    return ((size + LINE - 1) // LINE // 2 * 2 + 1) * LINE


@helper
def filters_step(channels, filters):
    """Return the distance between the arrays of U, or of dU, which are in panels of columns."""
    return skewed((filters + tile_columns - 1) // tile_columns * tile_columns * channels)


@helper
def tiles_over(size):
    """Return how many tiles cover an axis of an output."""
    return (size + SIDE - 1) // SIDE


@helper
def patched_size(down, across, channels):
    """Return how many entries an image takes with the zeros around it that the patches of its tiles reach."""
    return ((SIDE * down + 2) * (SIDE * across + 2) * channels + LINE - 1) // LINE * LINE


@helper
def run_of_tiles(number, across, left):
    """Return how many of the tiles that are left lie in the same row as a tile of this number."""
    return min(across - number % across, left)


@helper
def multiply(v, u, m, zeros, v_step, m_step, count, depth, columns):
    """m[k, t, n] = sum_c v[k, t, c] u[k, c, n] for t < count; u is in panels of columns."""
    u_panel, u_step = depth * tile_columns, filters_step(depth, columns)
    for k in range(PLACES):
        panel = shift(u, k * u_step)
        for n in range(0, columns, tile_columns):
            tiles(
                shift(v, k * v_step), depth, 1, 0, panel, tile_columns, 0, zeros, 0, shift(m, k * m_step + n), columns,
                depth, 1, count, min(tile_columns, columns - n), real(NO_LIMIT),
            )  # fmt: skip
            panel = shift(panel, u_panel)


@helper
def transform_run(image, v, v_step, number, done, count, channels, across):
    """Transform the patches of a row's tiles from number `number` on, as many as the block still takes.

    v has `done` of its `count` tiles. Returns how many there were.
    """
    i, j, run, pitch = number // across, number % across, run_of_tiles(number, across, count - done), SIDE * across + 2
    transform_image(
        shift(image, SIDE * (i * pitch + j) * channels), pitch * channels, channels, SIDE * channels,
        shift(v, done * channels), PATCH * v_step, v_step, channels, channels, run,
    )  # fmt: skip
    return run


@helper
def transform_images(x, image, v, v_step, first, count, height, width, channels, top, left, down, across):
    """Transform the patches of `count` tiles from number `first` on; a sample is copied into `image` at its first.

    `image` holds zeros around where the samples go.
    """
    done = 0
    while done < count:
        r, number = (first + done) // (down * across), (first + done) % (down * across)
        if number == 0:
            sample = shift(x, r * height * width * channels)
            place(sample, image, height, width, channels, top, left, SIDE * down + 2, SIDE * across + 2)
        done += transform_run(image, v, v_step, number, done, count, channels, across)


@helper
def whole_tiles(run, j, width, side):
    """Return how many of a run of tiles lie within a row of `width` places; the last one may not."""
    return run - 1 if side * (j + run) > width else run


@helper
def transform_outputs(m, m_step, b, floor, y, first, count, height, width, filters, down, across):
    """Write the outputs of `count` tiles from number `first` on; what lies beyond an edge is dropped."""
    done, row = 0, width * filters
    while done < count:
        r, number = (first + done) // (down * across), (first + done) % (down * across)
        i, j, run = number // across, number % across, run_of_tiles(number, across, count - done)
        whole, rows = whole_tiles(run, j, width, SIDE), min(SIDE, height - SIDE * i)
        out = shift(y, ((r * height + SIDE * i) * width + SIDE * j) * filters)
        source = shift(m, done * filters)
        if whole > 0:
            transform_output(
                source, PATCH * m_step, m_step, filters, out, row, filters, SIDE * filters, rows, SIDE, b, floor,
                filters, whole,
            )  # fmt: skip
        if whole < run:
            transform_output(
                shift(source, whole * filters), PATCH * m_step, m_step, filters, shift(out, SIDE * whole * filters),
                row, filters, 0, rows, width - SIDE * (j + whole), b, floor, filters, 1,
            )  # fmt: skip
        done += run


@helper
def convolve_samples(
    x, u, b, y, floor, zeros, scratch, first, last, height, width, channels, top, left, out_height, out_width,
    filters,
):  # fmt: skip
    """y = max(b + the 3x3 convolution of x padded by `top` rows and `left` columns, floor), for a range of samples."""
    down, across = tiles_over(out_height), tiles_over(out_width)
    size, v_step, m_step = patched_size(down, across, channels), skewed(BLOCK * channels), skewed(BLOCK * filters)
    v, m = shift(scratch, size), shift(scratch, size + PLACES * v_step)
    clear(scratch, size if first < last else 0)
    end = last * down * across
    for start in range(first * down * across, end, BLOCK):
        count = min(BLOCK, end - start)
        transform_images(x, scratch, v, v_step, start, count, height, width, channels, top, left, down, across)
        multiply(v, u, m, zeros, v_step, m_step, count, channels, filters)
        transform_outputs(m, m_step, b, floor, y, start, count, out_height, out_width, filters, down, across)


@kernel
def winograd_pack(w: In, u: Out, geometry: InLong, thread: Thread, threads: Threads) -> None:
    """u[k, panel, c, n] = (G w[:, :, c, filter] Gᵀ)[k], n < tile_columns. Partition: channels.

    A panel's last columns may hold anything: the transform reads beyond the last filter.
    """
    channels, filters = geometry[CHANNELS], geometry[FILTERS]
    panels, step = (filters + tile_columns - 1) // tile_columns, filters_step(channels, filters)
    for c in range(first_of(channels, thread, threads), last_of(channels, thread, threads)):
        transform_filter(
            shift(w, c * filters), 3 * channels * filters, channels * filters, tile_columns,
            shift(u, c * tile_columns), PATCH * step, step, channels * tile_columns, tile_columns, panels,
        )  # fmt: skip


@kernel
def winograd_pack_reversed(w: In, u: Out, geometry: InLong, scratch: Scratch, thread: Thread, threads: Threads) -> None:
    """u[k, panel, filter, n] = (G g Gᵀ)[k] of the filters g = w[2 - ky, 2 - kx, channel, filter], n < tile_columns.

    With them the input's gradient is a convolution of the output's. Partition: panels and blocks of filters, which are
    laid out in scratch memory first: (SOME, 9, tile_columns).
    """
    channels, filters = geometry[CHANNELS], geometry[FILTERS]
    panels, blocks = (channels + tile_columns - 1) // tile_columns, (filters + SOME - 1) // SOME
    step, size, items = filters_step(filters, channels), 9 * tile_columns, panels * blocks
    for item in range(first_of(items, thread, threads), last_of(items, thread, threads)):
        panel, first = item // blocks, item % blocks * SOME
        c, count = panel * tile_columns, min(SOME, filters - first)
        for tap in range(9):
            for j in range(min(tile_columns, channels - c)):
                source = shift(w, ((8 - tap) * channels + c + j) * filters + first)
                target = shift(scratch, tap * tile_columns + j)
                for n in range(count):
                    target[n * size] = source[n]
        transform_filter(
            scratch, 3 * tile_columns, tile_columns, size,
            shift(u, (panel * filters + first) * tile_columns), PATCH * step, step, tile_columns, tile_columns, count,
        )  # fmt: skip


@kernel
def winograd_forward(
    x: In, u: In, b: In, y: Out, floor: Number, zeros: In, geometry: InLong, scratch: Scratch, rows: Live,
    thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """y as `conv_forward`; u is from `winograd_pack`. Partition: samples."""
    g = geometry
    convolve_samples(
        x, u, b, y, floor, zeros, scratch, first_of(rows, thread, threads), last_of(rows, thread, threads),
        g[HEIGHT], g[WIDTH], g[CHANNELS], g[TOP], g[LEFT], g[OUT_HEIGHT], g[OUT_WIDTH], g[FILTERS],
    )  # fmt: skip


@kernel
def winograd_backward_input(
    dy: In, u: In, b: In, dx: Out, floor: Number, zeros: In, geometry: InLong, scratch: Scratch,
    rows: Live, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """dx as `conv_backward_input`; u is from `winograd_pack_reversed`. Partition: samples."""
    g = geometry
    convolve_samples(
        dy, u, b, dx, floor, zeros, scratch, first_of(rows, thread, threads), last_of(rows, thread, threads),
        g[OUT_HEIGHT], g[OUT_WIDTH], g[FILTERS], g[GRADIENT_TOP], g[GRADIENT_LEFT], g[HEIGHT], g[WIDTH], g[CHANNELS],
    )  # fmt: skip
