"""A convolution, its ReLU and a max pool of whole 2 x 2 windows, by the tiles of `dlrun.kernels.pool_tile`.

Names as in `dlrun.kernels.convolution_pool`. The convolution is plain: of stride and dilation 1, without groups.
Memory of a thread: `forward_scratch` and `weights_scratch` say how much.
"""

from dlrun.kernels.chunks import clear
from dlrun.kernels.convolution import (
    CHANNELS,
    FILTERS,
    HEIGHT,
    KERNEL_HEIGHT,
    KERNEL_WIDTH,
    OUT_HEIGHT,
    OUT_WIDTH,
    PADDED_WIDTH,
    WIDTH,
    padded_image,
    padding_size,
)
from dlrun.kernels.convolution_pool import out_size
from dlrun.kernels.convolution_weights import weights_size
from dlrun.kernels.lang import (
    In,
    InBytes,
    InLong,
    Live,
    Number,
    Out,
    OutBytes,
    Primitive,
    Scratch,
    Size,
    Thread,
    Threads,
    address,
    first_of,
    helper,
    helper_apart,
    kernel,
    lanes,
    last_of,
    pointer_to_uint8,
    shift,
    tile_columns,
)
from dlrun.plan import CHUNKS

largest_of_four = Primitive("dlrun.kernels.pool_tile:largest_of_four", by_lanes=True)
"""The convolution and its pool for some windows of a panel of tile_columns filters."""
largest_alone = Primitive("dlrun.kernels.pool_tile:largest_alone", by_lanes=True)
"""The same without the winners."""
add_chosen = Primitive("dlrun.kernels.pool_tile:add_chosen", by_lanes=True)
"""The weights' gradient for `TAPS` taps and a vector of filters."""
TAPS = 9


@helper
def rounded(count):
    """Return the count, or the next one that keeps what follows aligned to cache lines."""
    return (count + 15) // 16 * 16


@helper
def pack_panels(w, b, panels, taps, filters):
    """Lay bias and weights out by panels: (panels, 1 + taps, tile_columns), zero where there is no filter."""
    for n in range(0, filters, tile_columns):
        panel = shift(panels, n * (1 + taps))
        clear(panel, (1 + taps) * tile_columns)
        for tap in range(1 + taps):
            source = shift(b, n) if tap == 0 else shift(w, (tap - 1) * filters + n)
            for c in range(min(tile_columns, filters - n)):
                panel[tap * tile_columns + c] = source[c]


@helper
def pool_panel(tile, has_winners, image, panel, y, winner, columns, line, floor, g, pool):
    """Compute a panel of filters of one sample; where some of its columns are no filters, by way of `line`."""
    step, pitch, width, height = g[CHANNELS], g[PADDED_WIDTH] * g[CHANNELS], pool[OUT_WIDTH], pool[OUT_HEIGHT]
    taps, filters, weights = g[KERNEL_WIDTH] * g[CHANNELS], g[FILTERS], shift(panel, tile_columns)
    is_whole = columns == tile_columns
    line_winner = pointer_to_uint8(address(shift(line, width * tile_columns)))
    for i in range(1 if is_whole else height):
        place = i * width * filters
        tile(
            shift(image, 2 * i * pitch), step, pitch, weights, panel, shift(y, place) if is_whole else line,
            filters if is_whole else tile_columns, shift(winner, place) if is_whole else line_winner,
            taps, g[KERNEL_HEIGHT], width, height if is_whole else 1, floor,
        )  # fmt: skip
        if not is_whole:
            for j in range(width):
                for c in range(columns):
                    y[place + j * filters + c] = line[j * tile_columns + c]
                    if has_winners:
                        winner[place + j * filters + c] = line_winner[j * tile_columns + c]


@helper
def pool_samples(tile, has_winners, x, w, b, y, winner, floor, g, pool, scratch, first, last):
    """Compute the samples from `first` up to `last`."""
    taps, filters = g[KERNEL_HEIGHT] * g[KERNEL_WIDTH] * g[CHANNELS], g[FILTERS]
    x_size, y_size = g[HEIGHT] * g[WIDTH] * g[CHANNELS], out_size(pool)
    panels = shift(scratch, rounded(padding_size(g)))
    line = shift(panels, (filters + tile_columns - 1) // tile_columns * tile_columns * (1 + taps))
    if first < last:
        clear(scratch, padding_size(g))
        pack_panels(w, b, panels, taps, filters)
    for r in range(first, last):
        image = padded_image(shift(x, r * x_size), scratch, g)
        for n in range(0, filters, tile_columns):
            out = r * y_size + n
            pool_panel(
                tile, has_winners, image, shift(panels, n * (1 + taps)), shift(y, out), shift(winner, out),
                min(tile_columns, filters - n), line, floor, g, pool,
            )  # fmt: skip


@kernel
def conv_pool_forward_of_four(
    x: In, w: In, b: In, y: Out, winner: OutBytes, floor: Number, geometry: InLong, pool: InLong, scratch: Scratch,
    rows: Live, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """y and winner as `conv_pool_forward`, with the same bits. Partition: samples."""
    first, last = first_of(rows, thread, threads), last_of(rows, thread, threads)
    pool_samples(largest_of_four, True, x, w, b, y, winner, floor, geometry, pool, scratch, first, last)


@kernel
def conv_pool_predict_of_four(
    x: In, w: In, b: In, y: Out, floor: Number, geometry: InLong, pool: InLong, scratch: Scratch, rows: Live,
    thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """y as `conv_pool_forward`, with the same bits, in inference. Partition: samples."""
    first, last = first_of(rows, thread, threads), last_of(rows, thread, threads)
    nobody = pointer_to_uint8(address(scratch))
    pool_samples(largest_alone, False, x, w, b, y, nobody, floor, geometry, pool, scratch, first, last)


@helper_apart
def make_quads(x, quads, count, right, below):
    """quads[i] = the four entries x[i], x[i + right], x[i + below] and x[i + below + right]."""
    for i in range(count):
        quads[4 * i] = x[i]
        quads[4 * i + 1] = x[i + right]
        quads[4 * i + 2] = x[i + below]
        quads[4 * i + 3] = x[i + below + right]


@helper
def is_square(g):
    """Return whether a window's taps are three rows of three, which one tile takes."""
    return g[KERNEL_HEIGHT] == 3 and g[KERNEL_WIDTH] * g[CHANNELS] == 3


@helper
def groups_in_row(g):
    """Return how many tiles' taps a row of taps is."""
    return (g[KERNEL_WIDTH] * g[CHANNELS] + TAPS - 1) // TAPS


@helper
def groups_of(g):
    """Return how many tiles' taps there are."""
    return 1 if is_square(g) else g[KERNEL_HEIGHT] * groups_in_row(g)


@helper
def add_band(quads, dy, winner, sums, height, g, pool):
    """Add to the sums what some rows of windows give."""
    step, pitch, filters, width = g[CHANNELS], g[PADDED_WIDTH] * g[CHANNELS], g[FILTERS], pool[OUT_WIDTH]
    in_row, size = groups_in_row(g), (TAPS + 1) * lanes
    for group in range(groups_of(g)):
        first = group // in_row * pitch + group % in_row * TAPS
        for n in range(0, filters, lanes):
            place = (group * ((filters + lanes - 1) // lanes) + n // lanes) * size
            add_chosen(
                shift(quads, 4 * first), 8 * step, 8 * pitch, 4 * pitch, shift(dy, n), shift(winner, n), filters,
                width, height, shift(sums, place), 3 if is_square(g) else 1,
            )  # fmt: skip


@helper
def unpack_sums(sums, dw, db, g):
    """Lay the sums out as the weights and the bias are."""
    filters, row = g[FILTERS], g[KERNEL_WIDTH] * g[CHANNELS]
    in_row, panels = groups_in_row(g), (filters + lanes - 1) // lanes
    for group in range(groups_of(g)):
        part = group % in_row * TAPS
        first, taps = group // in_row * row + part, TAPS if is_square(g) else min(TAPS, row - part)
        for n in range(0, filters, lanes):
            panel = shift(sums, (group * panels + n // lanes) * (TAPS + 1) * lanes)
            for c in range(min(lanes, filters - n)):
                for t in range(taps):
                    dw[(first + t) * filters + n + c] = panel[t * lanes + c]
                if group == 0:
                    db[n + c] = panel[TAPS * lanes + c]


@kernel
def conv_pool_backward_weights_of_four(
    x: In, dy: In, winner: InBytes, partials: Out, bias_partials: Out, band: Size, geometry: InLong, pool: InLong,
    scratch: Scratch, rows: Live, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """partials and bias_partials as `conv_pool_backward_weights`, each sum in the order of samples and windows.

    Quads are made of `band` rows of windows at a time, so that they stay in the cache. Partition: chunks.
    """
    g = geometry
    x_size, y_size, filters, width = g[HEIGHT] * g[WIDTH] * g[CHANNELS], out_size(pool), g[FILTERS], pool[OUT_WIDTH]
    step, pitch = g[CHANNELS], g[PADDED_WIDTH] * g[CHANNELS]
    size = groups_of(g) * ((filters + lanes - 1) // lanes) * (TAPS + 1) * lanes
    sums = shift(scratch, rounded(padding_size(g)))
    quads = shift(sums, rounded(size))
    clear(scratch, padding_size(g))
    for chunk in range(first_of(CHUNKS, thread, threads), last_of(CHUNKS, thread, threads)):
        clear(sums, size)
        for r in range(first_of(rows, chunk, CHUNKS), last_of(rows, chunk, CHUNKS)):
            image = padded_image(shift(x, r * x_size), scratch, g)
            for top in range(0, pool[OUT_HEIGHT], band):
                height = min(band, pool[OUT_HEIGHT] - top)
                count = (2 * height + g[KERNEL_HEIGHT] - 3) * pitch + (2 * width + g[KERNEL_WIDTH] - 2) * step
                make_quads(shift(image, 2 * top * pitch), quads, count, step, pitch)
                place = r * y_size + top * width * filters
                add_band(quads, shift(dy, place), shift(winner, place), sums, height, g, pool)
        unpack_sums(sums, shift(partials, chunk * weights_size(g)), shift(bias_partials, chunk * filters), g)
