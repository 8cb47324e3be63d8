"""The gradient of a convolution's input, which is also the transposed convolution.

Names are as in `dlrun.kernels.convolution`.
"""

from dlrun.kernels.chunks import clear
from dlrun.kernels.convolution import (
    CHANNELS,
    DILATION_X,
    DILATION_Y,
    FILTERS,
    GRADIENT_HEIGHT,
    GRADIENT_LEFT,
    GRADIENT_TOP,
    GRADIENT_WIDTH,
    GROUPS,
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
    correlate,
    place,
)
from dlrun.kernels.lang import (
    In,
    InLong,
    Live,
    Number,
    Out,
    Scratch,
    Thread,
    Threads,
    first_of,
    helper,
    kernel,
    last_of,
    real,
    select,
    shift,
    tile_columns,
)
from dlrun.kernels.transposing import transpose


@helper
def taps_of_phase(size, stride, phase):
    """Return how many taps of a kernel reach the places of one phase of the input: taps phase, phase + stride, ..."""
    return (size - 1 - phase) // stride + 1


@kernel
def conv_pack_reversed(w: In, packed: Out, geometry: InLong, thread: Thread, threads: Threads) -> None:
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
                            rows = min(tile_columns, columns - n)
                            transpose(source, filters, target, tile_columns, rows, depth, real(1))
                        block += 1


@helper
def fill_places(c, c_pitch, c_step, start, floor, height, width, columns):
    """c[i, j, n] = max(start[n], floor): places that no tap reaches."""
    for i in range(height):
        for j in range(width):
            out = shift(c, i * c_pitch + j * c_step)
            for n in range(columns):
                out[n] = select(start[n] < floor, floor, start[n])


@helper
def gradient_of_image(dy, packed, b, floor, dx, g):
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
                    fill_places(
                        target, stride_y * width * channels, stride_x * channels, shift(b, n), floor,
                        height_here, width_here, columns,
                    )  # fmt: skip
                else:
                    correlate(
                        shift(dy, (row * padded_width + column) * filters + group * depth), padded_width * filters,
                        filters, weights, tile_columns, size, taps_y, taps_x, dilation_y * padded_width * filters,
                        dilation_x * filters, depth, shift(b, n), floor, target, stride_y * width * channels,
                        stride_x * channels, height_here, width_here, columns,
                    )  # fmt: skip
                weights = shift(weights, panels * size)


@helper
def gradient_padding_size(g):
    """Return how many entries a sample's padded dy takes; 0 if it is read as it is."""
    is_padded = g[GRADIENT_HEIGHT] != g[OUT_HEIGHT] or g[GRADIENT_WIDTH] != g[OUT_WIDTH]
    return g[GRADIENT_HEIGHT] * g[GRADIENT_WIDTH] * g[FILTERS] if is_padded else 0


@helper
def padded_gradient(dy, padded, g):
    """Return a sample's dy with the zeros that it needs around it; `padded` holds zeros there."""
    if gradient_padding_size(g) == 0:
        return dy
    place(
        dy, padded, g[OUT_HEIGHT], g[OUT_WIDTH], g[FILTERS],
        g[GRADIENT_TOP], g[GRADIENT_LEFT], g[GRADIENT_HEIGHT], g[GRADIENT_WIDTH],
    )  # fmt: skip
    return padded


@kernel
def conv_backward_input(
    dy: In, packed: In, b: In, dx: Out, floor: Number, geometry: InLong, scratch: Scratch, rows: Live, thread: Thread,
    threads: Threads,
) -> None:  # fmt: skip
    """dx[r, i, j, c] = max(b[c] + sum of dy[r, p, q, n] w[ky, kx, c, n], floor).

    The sum is over all p sy + ky dy = i + top and q sx + kx dx = j + left. In a gradient b is zero and floor -inf; with
    them this is the transposed convolution. The input's places fall in sy * sx phases, by (i + top) mod sy and
    (j + left) mod sx; only every sy-th row and sx-th column of taps reaches a phase, so that each phase is a
    convolution of stride 1 of the padded dy with some of the weights, reversed. `packed` is from
    `conv_pack_reversed`. Partition: samples.
    """
    g = geometry
    dx_size, dy_size = g[HEIGHT] * g[WIDTH] * g[CHANNELS], g[OUT_HEIGHT] * g[OUT_WIDTH] * g[FILTERS]
    first, last = first_of(rows, thread, threads), last_of(rows, thread, threads)
    if first < last:
        clear(scratch, gradient_padding_size(g))
    for r in range(first, last):
        image = padded_gradient(shift(dy, r * dy_size), scratch, g)
        gradient_of_image(image, packed, b, floor, shift(dx, r * dx_size), g)
