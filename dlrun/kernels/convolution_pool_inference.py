"""A convolution, its ReLU and a max pool of 2 x 2 in inference, where nobody asks which of the four was the largest.

Names as in `dlrun.kernels.convolution_pool`. A panel of filters is computed for two rows of the convolution's output at
a time, which stay in the first-level cache until they are pooled; the panel's weights stay there for the whole image.
"""

from dlrun.kernels.chunks import clear
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
    PADDED_WIDTH,
    STRIDE_X,
    STRIDE_Y,
    WIDTH,
    correlate,
    padded_image,
    padding_size,
)
from dlrun.kernels.convolution_pool import out_size
from dlrun.kernels.entries import get, put
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
    select,
    shift,
    tile_columns,
)


@helper
def largest_of_four(z, at, below, step):
    """Return the largest of z at four places: `at`, a `step` on, and both `below`; NaN wins over all numbers."""
    best, p = get(z, at), get(z, at + step)
    best = select(p > best or p != p, p, best)
    p = get(z, at + below)
    best = select(p > best or p != p, p, best)
    p = get(z, at + below + step)
    return select(p > best or p != p, p, best)


@helper
def pool_rows(z, y, width, columns, filters, pitch):
    """y[j, c] = the largest of four entries of two rows of z, (2, .., tile_columns), for a panel of filters.

    The loop over c runs to a number that isn't known when it is compiled: to a constant it would be unrolled before
    it could be vectorised, which takes 5 times as long.
    """
    for j in range(width):
        place, out = shift(z, 2 * j * tile_columns), shift(y, j * filters)
        for c in range(columns):
            put(out, c, largest_of_four(place, c, pitch, tile_columns))


@kernel
def conv_pool_predict(
    x: In, w: In, b: In, y: Out, floor: Number, is_packed: Size, geometry: InLong, pool: InLong, scratch: Scratch,
    rows: Live, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """y = the max pool of z over whole windows of 2 x 2, z = max(b + the convolution of x with w, floor).

    The same bits as `conv_pool_forward`. Partition: samples.
    """
    g = geometry
    x_size, y_size, filters = g[HEIGHT] * g[WIDTH] * g[CHANNELS], out_size(pool), g[FILTERS]
    groups, depth, columns = g[GROUPS], g[CHANNELS] // g[GROUPS], g[FILTERS] // g[GROUPS]
    step, pitch = g[CHANNELS], g[PADDED_WIDTH] * g[CHANNELS]
    w_row, w_panel, w_group = filters, tile_columns, columns
    if is_packed != 0:
        w_row, w_panel = tile_columns, g[KERNEL_HEIGHT] * g[KERNEL_WIDTH] * depth * tile_columns
        w_group = (columns + tile_columns - 1) // tile_columns * w_panel
    first, last = first_of(rows, thread, threads), last_of(rows, thread, threads)
    z, width = shift(scratch, padding_size(g)), 2 * pool[OUT_WIDTH]
    if first < last:
        clear(scratch, padding_size(g))
    for r in range(first, last):
        image = padded_image(shift(x, r * x_size), scratch, g)
        for group in range(groups):
            for n in range(0, columns, tile_columns):
                count, place = min(tile_columns, columns - n), group * columns + n
                panel = shift(w, group * w_group + n // tile_columns * w_panel)
                for i in range(pool[OUT_HEIGHT]):
                    correlate(
                        shift(image, group * depth + 2 * i * g[STRIDE_Y] * pitch), g[STRIDE_Y] * pitch,
                        g[STRIDE_X] * step, panel, w_row, w_panel, g[KERNEL_HEIGHT], g[KERNEL_WIDTH],
                        g[DILATION_Y] * pitch, g[DILATION_X] * step, depth, shift(b, place), floor,
                        z, width * tile_columns, tile_columns, 2, width, count,
                    )  # fmt: skip
                    out = shift(y, r * y_size + i * pool[OUT_WIDTH] * filters + place)
                    pool_rows(z, out, pool[OUT_WIDTH], count, filters, width * tile_columns)
