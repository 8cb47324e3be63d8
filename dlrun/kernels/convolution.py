"""Convolution as an implicit matrix product on `tile`, channels last, without im2col.

Within a row of taps, (kx, channel) is contiguous both in the image and in the weights: the tile's inner sum. From one
row of taps to the next both jump: its outer sum. Where (kx, channel) isn't contiguous, because of a horizontal
dilation or of groups, there is a tile call for each kx, and each adds to the last one's result.

Names: x (rows, height, width, channels), w (kernel_height, kernel_width, channels / groups, filters),
y (rows, out_height, out_width, filters); in a gradient dx, dw, dy are of the same shapes. `geometry` holds the sizes
(`dlrun.layers.geometry`). Zero padding is done by copying a sample into scratch memory.
"""

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
    Update,
    apply_update,
    first_of,
    helper,
    kernel,
    last_of,
    real,
    select,
    shift,
    tile,
    tile_columns,
    tile_rows,
)
from dlrun.plan import CHUNKS

(
    HEIGHT, WIDTH, CHANNELS, OUT_HEIGHT, OUT_WIDTH, FILTERS, GROUPS, KERNEL_HEIGHT, KERNEL_WIDTH, STRIDE_Y, STRIDE_X,
    DILATION_Y, DILATION_X, TOP, LEFT, PADDED_HEIGHT, PADDED_WIDTH, IS_PADDED, GRADIENT_TOP, GRADIENT_LEFT,
    GRADIENT_HEIGHT, GRADIENT_WIDTH,
) = range(22)  # fmt: skip
"""Places in `geometry`."""
NO_LIMIT = float("-inf")
BLOCK = 512
"""How many entries of the partial sums are combined at a time."""
SLICE = 24
"""How many rows of the weights' gradient are made at a time, where there are no partial sums."""


@helper
def clear(p, count):  # type: ignore[no-untyped-def]
    """Set `count` entries to zero."""
    for i in range(count):
        p[i] = real(0)


@helper
def place(x, padded, height, width, channels, top, left, padded_height, padded_width):  # type: ignore[no-untyped-def]
    """Copy an image into the middle of a larger one that holds zeros; what doesn't fit is left out."""
    count = min(width, padded_width - left) * channels
    for i in range(min(height, padded_height - top)):
        row, target = shift(x, i * width * channels), shift(padded, ((i + top) * padded_width + left) * channels)
        for j in range(count):
            target[j] = row[j]


@helper
def correlate(a, a_pitch, a_step, w, w_row, w_panel, taps_y, taps_x, tap_pitch, tap_step, depth, start, floor, c, c_pitch, c_step, height, width, columns):  # type: ignore[no-untyped-def]  # fmt: skip
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
                for j in range(0, width, tile_rows):
                    out = shift(c, i * c_pitch + j * c_step + n)
                    tile(
                        shift(a, i * a_pitch + j * a_step + part * tap_step), a_step, 1, tap_pitch,
                        shift(panel, part * depth * w_row), w_row, taps_x * depth * w_row,
                        shift(start, n) if part == 0 else out, 0 if part == 0 else c_step, out, c_step,
                        inner, taps_y, min(tile_rows, width - j), min(tile_columns, columns - n), limit,
                    )  # fmt: skip


@kernel
def conv_pack(w: In, packed: Out, geometry: InLong, thread: Thread, threads: Threads):
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


@kernel
def conv_forward(x: In, w: In, b: In, y: Out, floor: Number, is_packed: Size, geometry: InLong, scratch: Scratch, rows: Live, thread: Thread, threads: Threads):  # fmt: skip
    """y[r, i, j, n] = max(b[n] + sum_{ky, kx, c} x[r, i sy + ky dy - top, j sx + kx dx - left, c] w[ky, kx, c, n], floor).

    With groups, c runs over the channels of n's group. w may come from `conv_pack`. Partition: samples.
    """
    g = geometry
    channels, filters, groups, padded_width = g[CHANNELS], g[FILTERS], g[GROUPS], g[PADDED_WIDTH]
    depth, columns = channels // groups, filters // groups
    w_row, w_panel, w_group = filters, tile_columns, columns
    if is_packed != 0:
        w_row, w_panel = tile_columns, g[KERNEL_HEIGHT] * g[KERNEL_WIDTH] * depth * tile_columns
        w_group = (columns + tile_columns - 1) // tile_columns * w_panel
    x_size, y_size = g[HEIGHT] * g[WIDTH] * channels, g[OUT_HEIGHT] * g[OUT_WIDTH] * filters
    first, last = first_of(rows, thread, threads), last_of(rows, thread, threads)
    if g[IS_PADDED] != 0 and first < last:
        clear(scratch, g[PADDED_HEIGHT] * padded_width * channels)
    for r in range(first, last):
        image = shift(x, r * x_size)
        if g[IS_PADDED] != 0:
            place(image, scratch, g[HEIGHT], g[WIDTH], channels, g[TOP], g[LEFT], g[PADDED_HEIGHT], padded_width)
            image = scratch
        for group in range(groups):
            n = group * columns
            correlate(
                shift(image, group * depth), g[STRIDE_Y] * padded_width * channels, g[STRIDE_X] * channels,
                shift(w, group * w_group), w_row, w_panel, g[KERNEL_HEIGHT], g[KERNEL_WIDTH],
                g[DILATION_Y] * padded_width * channels, g[DILATION_X] * channels, depth,
                shift(b, n), floor, shift(y, r * y_size + n), g[OUT_WIDTH] * filters, filters,
                g[OUT_HEIGHT], g[OUT_WIDTH], columns,
            )  # fmt: skip


@helper
def taps_of_phase(size, stride, phase):  # type: ignore[no-untyped-def]
    """Return how many taps of a kernel reach the places of one phase of the input: taps phase, phase + stride, ..."""
    return (size - 1 - phase) // stride + 1


@kernel
def conv_pack_reversed(w: In, packed: Out, geometry: InLong, thread: Thread, threads: Threads):
    """Lay the weights out as the input's gradient takes them.

    packed: for each phase (`conv_backward_input`), group and panel of channels, its taps in reverse order, and in each
    (filters of the group, tile_columns). Partition: taps and panels.
    """
    g = geometry
    height, width, filters, groups = g[KERNEL_HEIGHT], g[KERNEL_WIDTH], g[FILTERS], g[GROUPS]
    depth, columns = filters // groups, g[CHANNELS] // groups
    size, block = depth * tile_columns, 0
    for phase_y in range(g[STRIDE_Y]):
        for phase_x in range(g[STRIDE_X]):
            taps_y, taps_x = taps_of_phase(height, g[STRIDE_Y], phase_y), taps_of_phase(width, g[STRIDE_X], phase_x)
            for group in range(groups):
                for n in range(0, columns, tile_columns):
                    for tap in range(taps_y * taps_x):
                        if block % threads == thread:
                            ky = phase_y + (taps_y - 1 - tap // taps_x) * g[STRIDE_Y]
                            kx = phase_x + (taps_x - 1 - tap % taps_x) * g[STRIDE_X]
                            source = shift(w, ((ky * width + kx) * columns + n) * filters + group * depth)
                            target = shift(packed, block * size)
                            for j in range(min(tile_columns, columns - n)):
                                for k in range(depth):
                                    target[k * tile_columns + j] = source[j * filters + k]
                        block += 1


@helper
def fill_places(c, c_pitch, c_step, start, floor, height, width, columns):  # type: ignore[no-untyped-def]
    """c[i, j, n] = max(start[n], floor): places that no tap reaches."""
    for i in range(height):
        for j in range(width):
            out = shift(c, i * c_pitch + j * c_step)
            for n in range(columns):
                out[n] = select(start[n] < floor, floor, start[n])


@helper
def gradient_of_image(dy, packed, b, floor, dx, g):  # type: ignore[no-untyped-def]
    """Compute one sample's dx from its padded dy, phase by phase (`conv_backward_input`)."""
    channels, filters, groups, width = g[CHANNELS], g[FILTERS], g[GROUPS], g[WIDTH]
    stride_y, stride_x, dilation_y, dilation_x = g[STRIDE_Y], g[STRIDE_X], g[DILATION_Y], g[DILATION_X]
    most_y, most_x = taps_of_phase(g[KERNEL_HEIGHT], stride_y, 0), taps_of_phase(g[KERNEL_WIDTH], stride_x, 0)
    depth, columns, padded_width = filters // groups, channels // groups, g[GRADIENT_WIDTH]
    panels = (columns + tile_columns - 1) // tile_columns
    weights = packed
    for phase_y in range(stride_y):
        taps_y = taps_of_phase(g[KERNEL_HEIGHT], stride_y, phase_y)
        q = (g[TOP] - phase_y + stride_y - 1) // stride_y
        i = q * stride_y + phase_y - g[TOP]
        height_here = (g[HEIGHT] - 1 - i) // stride_y + 1
        row = q - g[TOP] // stride_y + (most_y - taps_y) * dilation_y
        for phase_x in range(stride_x):
            taps_x = taps_of_phase(g[KERNEL_WIDTH], stride_x, phase_x)
            p = (g[LEFT] - phase_x + stride_x - 1) // stride_x
            j = p * stride_x + phase_x - g[LEFT]
            width_here = (width - 1 - j) // stride_x + 1
            column = p - g[LEFT] // stride_x + (most_x - taps_x) * dilation_x
            size = taps_y * taps_x * depth * tile_columns
            for group in range(groups):
                n = group * columns
                target = shift(dx, (i * width + j) * channels + n)
                if size == 0:
                    fill_places(target, stride_y * width * channels, stride_x * channels, shift(b, n), floor, height_here, width_here, columns)  # fmt: skip
                else:
                    correlate(
                        shift(dy, (row * padded_width + column) * filters + group * depth), padded_width * filters, filters,
                        weights, tile_columns, size, taps_y, taps_x, dilation_y * padded_width * filters,
                        dilation_x * filters, depth, shift(b, n), floor, target, stride_y * width * channels,
                        stride_x * channels, height_here, width_here, columns,
                    )  # fmt: skip
                weights = shift(weights, panels * size)


@kernel
def conv_backward_input(dy: In, packed: In, b: In, dx: Out, floor: Number, geometry: InLong, scratch: Scratch, rows: Live, thread: Thread, threads: Threads):  # fmt: skip
    """dx[r, i, j, c] = max(b[c] + sum of dy[r, p, q, n] w[ky, kx, c, n] over p sy + ky dy = i + top, q sx + kx dx = j + left, floor).

    In a gradient b is zero and floor -inf; with them this is the transposed convolution. The input's places fall in
    sy * sx phases, by (i + top) mod sy and (j + left) mod sx; only every sy-th row and sx-th column of taps reaches
    a phase, so that each phase is a convolution of stride 1 of the padded dy with some of the weights, reversed.
    `packed` is from `conv_pack_reversed`. Partition: samples.
    """
    g = geometry
    channels, filters = g[CHANNELS], g[FILTERS]
    dx_size, dy_size = g[HEIGHT] * g[WIDTH] * channels, g[OUT_HEIGHT] * g[OUT_WIDTH] * filters
    padded_height, padded_width = g[GRADIENT_HEIGHT], g[GRADIENT_WIDTH]
    is_padded = padded_height != g[OUT_HEIGHT] or padded_width != g[OUT_WIDTH]
    first, last = first_of(rows, thread, threads), last_of(rows, thread, threads)
    if is_padded and first < last:
        clear(scratch, padded_height * padded_width * filters)
    for r in range(first, last):
        image = shift(dy, r * dy_size)
        if is_padded:
            place(image, scratch, g[OUT_HEIGHT], g[OUT_WIDTH], filters, g[GRADIENT_TOP], g[GRADIENT_LEFT], padded_height, padded_width)  # fmt: skip
            image = scratch
        gradient_of_image(image, packed, b, floor, shift(dx, r * dx_size), g)


@helper
def weights_of_image(x, dy, dw, zeros, is_first, g):  # type: ignore[no-untyped-def]
    """dw = the gradient that one sample gives, added to what is there unless it is the first. x is padded."""
    channels, filters, groups, padded_width, width = (
        g[CHANNELS],
        g[FILTERS],
        g[GROUPS],
        g[PADDED_WIDTH],
        g[KERNEL_WIDTH],
    )
    depth, columns = channels // groups, filters // groups
    parts = 1 if g[DILATION_X] == 1 and groups == 1 else width
    count = width * depth // parts
    for group in range(groups):
        for n in range(0, columns, tile_columns):
            for tap in range(g[KERNEL_HEIGHT] * parts):
                ky, kx = tap // parts, tap % parts
                image = shift(x, (ky * g[DILATION_Y] * padded_width + kx * g[DILATION_X]) * channels + group * depth)
                for k in range(0, count, tile_rows):
                    out = shift(dw, (tap * count + k) * filters + group * columns + n)
                    tile(
                        shift(image, k), 1, g[STRIDE_X] * channels, g[STRIDE_Y] * padded_width * channels,
                        shift(dy, group * columns + n), filters, g[OUT_WIDTH] * filters,
                        zeros if is_first else out, 0 if is_first else filters, out, filters,
                        g[OUT_WIDTH], g[OUT_HEIGHT], min(tile_rows, count - k), min(tile_columns, columns - n),
                        real(NO_LIMIT),
                    )  # fmt: skip


@helper
def sum_places(dy, db, places, filters):  # type: ignore[no-untyped-def]
    """db[n] += the sum over an image's places of dy[place, n], four places at a time."""
    done = places // 4 * 4
    for i in range(0, done, 4):
        p0, p1 = shift(dy, i * filters), shift(dy, (i + 1) * filters)
        p2, p3 = shift(dy, (i + 2) * filters), shift(dy, (i + 3) * filters)
        for n in range(filters):
            db[n] += (p0[n] + p1[n]) + (p2[n] + p3[n])
    for i in range(done, places):
        row = shift(dy, i * filters)
        for n in range(filters):
            db[n] += row[n]


@kernel
def conv_backward_weights(x: In, dy: In, partials: Out, zeros: In, geometry: InLong, scratch: Scratch, rows: Live, thread: Thread, threads: Threads):  # fmt: skip
    """For each chunk of samples, dw[ky, kx, c, n] = sum_{r, i, j} x[r, i sy + ky dy - top, j sx + kx dx - left, c] dy[r, i, j, n].

    partials (CHUNKS, kernel_height, kernel_width, channels / groups, filters): each chunk's dw, added up in the order of
    its samples. Partition: chunks.
    """
    g = geometry
    channels, filters, padded_width = g[CHANNELS], g[FILTERS], g[PADDED_WIDTH]
    x_size, places = g[HEIGHT] * g[WIDTH] * channels, g[OUT_HEIGHT] * g[OUT_WIDTH]
    weights = g[KERNEL_HEIGHT] * g[KERNEL_WIDTH] * (channels // g[GROUPS]) * filters
    if g[IS_PADDED] != 0:
        clear(scratch, g[PADDED_HEIGHT] * padded_width * channels)
    for chunk in range(first_of(CHUNKS, thread, threads), last_of(CHUNKS, thread, threads)):
        dw = shift(partials, chunk * weights)
        first, last = first_of(rows, chunk, CHUNKS), last_of(rows, chunk, CHUNKS)
        if first == last:
            clear(dw, weights)
        for r in range(first, last):
            image, gradient = shift(x, r * x_size), shift(dy, r * places * filters)
            if g[IS_PADDED] != 0:
                place(image, scratch, g[HEIGHT], g[WIDTH], channels, g[TOP], g[LEFT], g[PADDED_HEIGHT], padded_width)
                image = scratch
            weights_of_image(image, gradient, dw, zeros, r == first, g)


@kernel
def conv_pad(x: In, padded: Out, geometry: InLong, rows: Live, thread: Thread, threads: Threads):
    """Put zeros around every sample. Shapes: padded (rows, padded_height, padded_width, channels). Partition: samples."""
    g = geometry
    x_size, size = g[HEIGHT] * g[WIDTH] * g[CHANNELS], g[PADDED_HEIGHT] * g[PADDED_WIDTH] * g[CHANNELS]
    for r in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        target = shift(padded, r * size)
        clear(target, size)
        place(shift(x, r * x_size), target, g[HEIGHT], g[WIDTH], g[CHANNELS], g[TOP], g[LEFT], g[PADDED_HEIGHT], g[PADDED_WIDTH])  # fmt: skip


@kernel
def conv_backward_weights_sliced(x: In, dy: In, dw: Update, zeros: In, geometry: InLong, scratch: Scratch, rows: Live, thread: Thread, threads: Threads):  # fmt: skip
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
                    for k in range(0, size, tile_rows):
                        out = shift(scratch, k * filters + group * columns + n)
                        tile(
                            shift(x, r * x_size + corner + group * depth + k), 1, step, g[STRIDE_Y] * padded_width * channels,
                            shift(dy, r * dy_size + group * columns + n), filters, g[OUT_WIDTH] * filters,
                            zeros if r == 0 else out, 0 if r == 0 else filters, out, filters,
                            g[OUT_WIDTH], g[OUT_HEIGHT], min(tile_rows, size - k), min(tile_columns, columns - n),
                            real(NO_LIMIT),
                        )  # fmt: skip
        apply_update(dw, scratch, (tap * count + first) * filters, size * filters)


@kernel
def bias_backward(dy: In, partials: Out, rows: Live, places: Size, filters: Size, thread: Thread, threads: Threads):
    """For each chunk of samples, partials[chunk, n] = sum_{r, i} dy[r, i, n].

    Shapes: dy (rows, places, filters), partials (CHUNKS, filters). Partition: chunks.
    """
    for chunk in range(first_of(CHUNKS, thread, threads), last_of(CHUNKS, thread, threads)):
        first, last = first_of(rows, chunk, CHUNKS), last_of(rows, chunk, CHUNKS)
        db = shift(partials, chunk * filters)
        clear(db, filters)
        for r in range(first, last):
            sum_places(shift(dy, r * places * filters), db, places, filters)


@kernel
def combine_chunks(partials: In, gradient: Update, scratch: Scratch, size: Size, thread: Thread, threads: Threads):
    """gradient[i] = sum over chunks, in their order, of partials[chunk, i]. Shapes: partials (CHUNKS, size). Partition: entries."""
    blocks = (size + BLOCK - 1) // BLOCK
    for block in range(first_of(blocks, thread, threads), last_of(blocks, thread, threads)):
        start = block * BLOCK
        count = min(BLOCK, size - start)
        part = shift(partials, start)
        for i in range(count):
            scratch[i] = part[i]
        for chunk in range(1, CHUNKS):
            part = shift(partials, chunk * size + start)
            for i in range(count):
                scratch[i] += part[i]
        apply_update(gradient, scratch, start, count)
