"""Winograd's convolution with its ReLU and a max pool of 2 x 2: a tile of four outputs is a window of the pool.

So the four are compared in registers, as they come out of the transform, and are never stored. Names as in
`dlrun.kernels.convolution_pool`; bits are those of the layers one by one.
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
)
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
    Thread,
    Threads,
    first_of,
    helper,
    kernel,
    last_of,
    real,
    select,
    shift,
)
from dlrun.kernels.pooling import route_to_four
from dlrun.kernels.winograd import (
    BLOCK,
    filters_step,
    multiply,
    patched_size,
    skewed,
    tiles_over,
    transform_images,
    transform_outputs,
    transform_run,
)
from dlrun.kernels.winograd_weights import BLOCK as WEIGHTS_BLOCK
from dlrun.kernels.winograd_weights import add_products, store_weights
from dlrun.plan import CHUNKS

_TRANSFORMS = "dlrun.kernels.winograd_transforms"
transform_largest = Primitive(f"{_TRANSFORMS}:transform_largest", by_lanes=True)
transform_routed = Primitive(f"{_TRANSFORMS}:transform_routed", by_lanes=True)
NOBODY = 255
"""The winner of a window in which the ReLU left nothing."""


@kernel
def winograd_pool_forward(
    x: In, u: In, b: In, y: Out, winner: OutBytes, floor: Number, zeros: In, geometry: InLong, pool: InLong,
    scratch: Scratch, rows: Live, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """y and winner as `conv_pool_forward`; u is from `winograd_pack`. Partition: samples."""
    height, width, channels, filters = geometry[HEIGHT], geometry[WIDTH], geometry[CHANNELS], geometry[FILTERS]
    down, across = pool[OUT_HEIGHT], pool[OUT_WIDTH]
    size, v_step, m_step = patched_size(down, across, channels), skewed(BLOCK * channels), skewed(BLOCK * filters)
    v, m = shift(scratch, size), shift(scratch, size + 16 * v_step)
    first, last = first_of(rows, thread, threads) * down * across, last_of(rows, thread, threads) * down * across
    clear(scratch, size if first < last else 0)
    for start in range(first, last, BLOCK):
        count = min(BLOCK, last - start)
        transform_images(
            x, scratch, v, v_step, start, count, height, width, channels, geometry[TOP], geometry[LEFT], down, across
        )
        multiply(v, u, m, zeros, v_step, m_step, count, channels, filters)
        transform_largest(
            m, 4 * m_step, m_step, filters, shift(y, start * filters), shift(winner, start * filters), b, floor,
            filters, count,
        )  # fmt: skip


@helper
def route_into(dy, winner, image, filters, top, left, down, across, pitch):
    """Write a sample's dy to the places that won, in the image padded with zeros, of `pitch` entries a row."""
    for i in range(down):
        line, upper = i * across * filters, shift(image, (2 * i + top) * pitch + left * filters)
        route_to_four(shift(dy, line), shift(winner, line), upper, shift(upper, pitch), across, filters)


@kernel
def winograd_pool_backward_input(
    dy: In, winner: InBytes, u: In, zeros: In, dx: Out, no_limit: Number, geometry: InLong, pool: InLong,
    scratch: Scratch, rows: Live, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """dx as `conv_pool_backward_input`; u is from `winograd_pack_reversed`. Partition: samples."""
    height, width, channels, filters = geometry[HEIGHT], geometry[WIDTH], geometry[CHANNELS], geometry[FILTERS]
    down, across, y_size = tiles_over(height), tiles_over(width), pool[OUT_HEIGHT] * pool[OUT_WIDTH] * filters
    size, v_step, m_step = patched_size(down, across, filters), skewed(BLOCK * filters), skewed(BLOCK * channels)
    v, m = shift(scratch, size), shift(scratch, size + 16 * v_step)
    first, last = first_of(rows, thread, threads) * down * across, last_of(rows, thread, threads) * down * across
    clear(scratch, size if first < last else 0)
    for start in range(first, last, BLOCK):
        done, count = 0, min(BLOCK, last - start)
        while done < count:
            r, number = (start + done) // (down * across), (start + done) % (down * across)
            if number == 0:
                route_into(
                    shift(dy, r * y_size), shift(winner, r * y_size), scratch, filters, geometry[GRADIENT_TOP],
                    geometry[GRADIENT_LEFT], pool[OUT_HEIGHT], pool[OUT_WIDTH], (2 * across + 2) * filters,
                )  # fmt: skip
            done += transform_run(scratch, v, v_step, number, done, count, filters, across)
        multiply(v, u, m, zeros, v_step, m_step, count, filters, channels)
        transform_outputs(m, m_step, zeros, no_limit, dx, start, count, height, width, channels, down, across)


@kernel
def winograd_pool_backward_weights(
    x: In, dy: In, winner: InBytes, partials: Out, bias_partials: Out, zeros: In, geometry: InLong, pool: InLong,
    scratch: Scratch, rows: Live, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """partials and bias_partials as `conv_pool_backward_weights`. Partition: chunks."""
    height, width, channels, filters = geometry[HEIGHT], geometry[WIDTH], geometry[CHANNELS], geometry[FILTERS]
    down, across = pool[OUT_HEIGHT], pool[OUT_WIDTH]
    v_step, d_step = skewed(WEIGHTS_BLOCK * channels), skewed(WEIGHTS_BLOCK * filters)
    u_step = filters_step(channels, filters)
    v = shift(scratch, patched_size(down, across, channels))
    d, du = shift(v, 16 * v_step), shift(v, 16 * (v_step + d_step))
    clear(scratch, patched_size(down, across, channels))
    for chunk in range(first_of(CHUNKS, thread, threads), last_of(CHUNKS, thread, threads)):
        dw, db = shift(partials, chunk * 9 * channels * filters), shift(bias_partials, chunk * filters)
        first, last = first_of(rows, chunk, CHUNKS) * down * across, last_of(rows, chunk, CHUNKS) * down * across
        clear(db, filters)
        if first == last:
            clear(dw, 9 * channels * filters)
            continue
        for start in range(first, last, WEIGHTS_BLOCK):
            count = min(WEIGHTS_BLOCK, last - start)
            gradient, which = shift(dy, start * filters), shift(winner, start * filters)
            transform_images(
                x, scratch, v, v_step, start, count, height, width, channels, geometry[TOP], geometry[LEFT],
                down, across,
            )  # fmt: skip
            transform_routed(gradient, which, d, 4 * d_step, d_step, filters, filters, count)
            add_products(v, d, du, zeros, v_step, d_step, u_step, start == first, count, channels, filters)
            for i in range(0, count * filters, filters):
                for n in range(filters):
                    db[n] += select(which[i + n] == NOBODY, real(0), gradient[i + n])
        store_weights(du, u_step, dw, v, channels, filters)
