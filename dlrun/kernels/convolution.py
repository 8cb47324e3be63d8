"""Convolution as an implicit matrix product on `tile`, channels last, without im2col.

Within a row of taps, (kx, channel) is contiguous both in the image and in the weights: the tile's inner sum. From one
row of taps to the next both jump: its outer sum. Where (kx, channel) isn't contiguous, because of a horizontal
dilation or of groups, there is a tile call for each kx, and each adds to the last one's result.

Names: x (rows, height, width, channels), w (kernel_height, kernel_width, channels / groups, filters),
y (rows, out_height, out_width, filters); in a gradient dx, dw, dy are of the same shapes. `geometry` holds the sizes
(`dlrun.layers.geometry`). Zero padding is done by copying a sample into scratch memory.
"""

from dlrun.kernels.chunks import clear
from dlrun.kernels.lang import (
    In,
    InLong,
    Live,
    Number,
    Out,
    Scratch,
    Size,
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

(
    HEIGHT, WIDTH, CHANNELS, OUT_HEIGHT, OUT_WIDTH, FILTERS, GROUPS, KERNEL_HEIGHT, KERNEL_WIDTH, STRIDE_Y, STRIDE_X,
    DILATION_Y, DILATION_X, TOP, LEFT, PADDED_HEIGHT, PADDED_WIDTH, IS_PADDED, GRADIENT_TOP, GRADIENT_LEFT,
    GRADIENT_HEIGHT, GRADIENT_WIDTH,
) = range(22)  # fmt: skip
"""Places in `geometry`."""


@helper
def place(x, padded, height, width, channels, top, left, padded_height, padded_width):
    """Copy an image into the middle of a larger one that holds zeros; what doesn't fit is left out."""
    count = min(width, padded_width - left) * channels
    for i in range(min(height, padded_height - top)):
        row, target = shift(x, i * width * channels), shift(padded, ((i + top) * padded_width + left) * channels)
        for j in range(count):
            target[j] = row[j]


@helper
def correlate(
    a, a_pitch, a_step, w, w_row, w_panel, taps_y, taps_x, tap_pitch, tap_step, depth, start, floor, c, c_pitch,
    c_step, height, width, columns,
):  # fmt: skip
    """c[i, j, n] = max(start[n] + sum over ky, kx, k of a[i, j; ky, kx, k] * w[ky, kx, k, n], floor).

    Steps and pitches count entries from one place to the next along a row and down a column: of `a` and `c` for the
    output's places, of `a` for the taps. A row of w has w_row entries; panels of columns lie w_panel apart.
    """
    parts = 1 if tap_step == depth else taps_x
    inner = taps_x * depth // parts
    for n in range(0, columns, tile_columns):
        panel = shift(w, n // tile_columns * w_panel)
        for part in range(parts):
            limit = floor if part == parts - 1 else real(NO_LIMIT)
            for i in range(height):
                out = shift(c, i * c_pitch + n)
                tiles(
                    shift(a, i * a_pitch + part * tap_step), a_step, 1, tap_pitch,
                    shift(panel, part * depth * w_row), w_row, taps_x * depth * w_row,
                    shift(start, n) if part == 0 else out, 0 if part == 0 else c_step, out, c_step,
                    inner, taps_y, width, min(tile_columns, columns - n), limit,
                )  # fmt: skip


@kernel
def conv_pack(w: In, packed: Out, geometry: InLong, thread: Thread, threads: Threads) -> None:
    """Lay the weights out in panels of columns: (groups, panels, taps, channels / groups, tile_columns).

    In rows of many filters a panel's entries fall on few sets of the first-level cache. Partition: panels and taps.
    """
    g = geometry
    taps, filters, groups = g[KERNEL_HEIGHT] * g[KERNEL_WIDTH], g[FILTERS], g[GROUPS]
    depth, columns = g[CHANNELS] // groups, filters // groups
    panels = (columns + tile_columns - 1) // tile_columns
    blocks = groups * panels * taps
    for block in range(first_of(blocks, thread, threads), last_of(blocks, thread, threads)):
        group, panel, tap = block // (panels * taps), block // taps % panels, block % taps
        n = panel * tile_columns
        for k in range(depth):
            source = shift(w, (tap * depth + k) * filters + group * columns + n)
            target = shift(packed, (block * depth + k) * tile_columns)
            for j in range(min(tile_columns, columns - n)):
                target[j] = source[j]


@helper
def padding_size(g):
    """Return how many entries a padded sample takes; 0 if samples are read as they are."""
    return g[PADDED_HEIGHT] * g[PADDED_WIDTH] * g[CHANNELS] if g[IS_PADDED] != 0 else 0


@helper
def padded_image(x, padded, g):
    """Return a sample with the zeros that it needs around it; `padded` holds zeros there."""
    if g[IS_PADDED] == 0:
        return x
    place(x, padded, g[HEIGHT], g[WIDTH], g[CHANNELS], g[TOP], g[LEFT], g[PADDED_HEIGHT], g[PADDED_WIDTH])
    return padded


@helper
def convolve_image(image, w, b, y, floor, is_packed, g):
    """Compute one sample of `conv_forward` from its padded image."""
    filters, groups, depth, columns = g[FILTERS], g[GROUPS], g[CHANNELS] // g[GROUPS], g[FILTERS] // g[GROUPS]
    step, pitch = g[CHANNELS], g[PADDED_WIDTH] * g[CHANNELS]
    w_row, w_panel, w_group = filters, tile_columns, columns
    if is_packed != 0:
        w_row, w_panel = tile_columns, g[KERNEL_HEIGHT] * g[KERNEL_WIDTH] * depth * tile_columns
        w_group = (columns + tile_columns - 1) // tile_columns * w_panel
    for group in range(groups):
        n = group * columns
        correlate(
            shift(image, group * depth), g[STRIDE_Y] * pitch, g[STRIDE_X] * step,
            shift(w, group * w_group), w_row, w_panel,
            g[KERNEL_HEIGHT], g[KERNEL_WIDTH], g[DILATION_Y] * pitch, g[DILATION_X] * step, depth,
            shift(b, n), floor, shift(y, n), g[OUT_WIDTH] * filters, filters, g[OUT_HEIGHT], g[OUT_WIDTH], columns,
        )  # fmt: skip


@kernel
def conv_forward(
    x: In, w: In, b: In, y: Out, floor: Number, is_packed: Size, geometry: InLong, scratch: Scratch, rows: Live,
    thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """y[r, i, j, n] = max(b[n] + sum_{ky, kx, c} x[r, i sy + ky dy - top, j sx + kx dx - left, c] w[ky, kx, c, n], f).

    f is the floor. With groups, c runs over the channels of n's group. w may come from `conv_pack`. Partition: samples.
    """
    g = geometry
    x_size, y_size = g[HEIGHT] * g[WIDTH] * g[CHANNELS], g[OUT_HEIGHT] * g[OUT_WIDTH] * g[FILTERS]
    first, last = first_of(rows, thread, threads), last_of(rows, thread, threads)
    if first < last:
        clear(scratch, padding_size(g))
    for r in range(first, last):
        convolve_image(padded_image(shift(x, r * x_size), scratch, g), w, b, shift(y, r * y_size), floor, is_packed, g)
