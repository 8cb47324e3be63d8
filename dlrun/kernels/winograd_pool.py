"""Winograd's convolution with its ReLU and a max pool of 2 x 2: a tile's outputs are four windows of the pool.

So they are compared in registers, as they come out of the transform, and are never stored. Names as in
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
    PATCH,
    PLACES,
    SIDE,
    filters_step,
    multiply,
    patched_size,
    run_of_tiles,
    skewed,
    tiles_over,
    transform_images,
    transform_outputs,
    transform_run,
    whole_tiles,
)
from dlrun.kernels.winograd_weights import BLOCK as WEIGHTS_BLOCK
from dlrun.kernels.winograd_weights import add_products, gradient_run, store_weights
from dlrun.plan import CHUNKS

_TRANSFORMS = "dlrun.kernels.winograd_transforms"
transform_largest = Primitive(f"{_TRANSFORMS}:transform_largest", by_lanes=True)
NOBODY = 255
"""The winner of a window in which the ReLU left nothing."""


@helper
def pool_outputs(m, m_step, b, floor, y, winner, first, count, height, width, filters, down, across):
    """Write what pools of (height, width) windows keep of `count` tiles from number `first` on."""
    done, row, side = 0, width * filters, SIDE // 2
    while done < count:
        r, number = (first + done) // (down * across), (first + done) % (down * across)
        i, j, run = number // across, number % across, run_of_tiles(number, across, count - done)
        whole, rows = whole_tiles(run, j, width, side), min(side, height - side * i)
        at, source = ((r * height + side * i) * width + side * j) * filters, shift(m, done * filters)
        if whole > 0:
            transform_largest(
                source, PATCH * m_step, m_step, filters, shift(y, at), row, filters, side * filters, rows, side,
                shift(winner, at), b, floor, filters, whole,
            )  # fmt: skip
        if whole < run:
            source, at = shift(source, whole * filters), at + side * whole * filters
            transform_largest(
                source, PATCH * m_step, m_step, filters, shift(y, at), row, filters, 0, rows, 1,
                shift(winner, at), b, floor, filters, 1,
            )  # fmt: skip
        done += run


@kernel
def winograd_pool_forward(
    x: In, u: In, b: In, y: Out, winner: OutBytes, floor: Number, zeros: In, geometry: InLong, pool: InLong,
    scratch: Scratch, rows: Live, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """y and winner as `conv_pool_forward`; u is from `winograd_pack`. Partition: samples."""
    height, width, channels, filters = geometry[HEIGHT], geometry[WIDTH], geometry[CHANNELS], geometry[FILTERS]
    out_height, out_width = pool[OUT_HEIGHT], pool[OUT_WIDTH]
    down, across = tiles_over(2 * out_height), tiles_over(2 * out_width)
    size, v_step, m_step = patched_size(down, across, channels), skewed(BLOCK * channels), skewed(BLOCK * filters)
    v, m = shift(scratch, size), shift(scratch, size + PLACES * v_step)
    first, last = first_of(rows, thread, threads) * down * across, last_of(rows, thread, threads) * down * across
    clear(scratch, size if first < last else 0)
    for start in range(first, last, BLOCK):
        count = min(BLOCK, last - start)
        transform_images(
            x, scratch, v, v_step, start, count, height, width, channels, geometry[TOP], geometry[LEFT], down, across
        )
        multiply(v, u, m, zeros, v_step, m_step, count, channels, filters)
        pool_outputs(m, m_step, b, floor, y, winner, start, count, out_height, out_width, filters, down, across)


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
    v, m = shift(scratch, size), shift(scratch, size + PLACES * v_step)
    first, last = first_of(rows, thread, threads) * down * across, last_of(rows, thread, threads) * down * across
    clear(scratch, size if first < last else 0)
    for start in range(first, last, BLOCK):
        done, count = 0, min(BLOCK, last - start)
        while done < count:
            r, number = (start + done) // (down * across), (start + done) % (down * across)
            if number == 0:
                route_into(
                    shift(dy, r * y_size), shift(winner, r * y_size), scratch, filters, geometry[GRADIENT_TOP],
                    geometry[GRADIENT_LEFT], pool[OUT_HEIGHT], pool[OUT_WIDTH], (SIDE * across + 2) * filters,
                )  # fmt: skip
            done += transform_run(scratch, v, v_step, number, done, count, filters, across)
        multiply(v, u, m, zeros, v_step, m_step, count, filters, channels)
        transform_outputs(m, m_step, zeros, no_limit, dx, start, count, height, width, channels, down, across)


@helper
def route_tiles(dy, winner, image, d, d_step, first, count, height, width, filters, down, across):
    """Transform the gradient of `count` tiles from number `first` on; a sample is routed into `image` at its first."""
    done = 0
    while done < count:
        r, number = (first + done) // (down * across), (first + done) % (down * across)
        if number == 0:
            at = r * height * width * filters
            pitch = SIDE * across * filters
            route_into(shift(dy, at), shift(winner, at), image, filters, 0, 0, height, width, pitch)
        done += gradient_run(image, d, d_step, number, done, count, filters, across)


@kernel
def winograd_pool_backward_weights(
    x: In, dy: In, winner: InBytes, partials: Out, bias_partials: Out, zeros: In, geometry: InLong, pool: InLong,
    scratch: Scratch, rows: Live, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """partials and bias_partials as `conv_pool_backward_weights`. Partition: chunks."""
    height, width, channels, filters = geometry[HEIGHT], geometry[WIDTH], geometry[CHANNELS], geometry[FILTERS]
    out_height, out_width = pool[OUT_HEIGHT], pool[OUT_WIDTH]
    down, across, y_size = tiles_over(2 * out_height), tiles_over(2 * out_width), out_height * out_width * filters
    v_step, d_step = skewed(WEIGHTS_BLOCK * channels), skewed(WEIGHTS_BLOCK * filters)
    u_step = filters_step(channels, filters)
    image, gradient_image = scratch, shift(scratch, patched_size(down, across, channels))
    v = shift(gradient_image, patched_size(down, across, filters))
    d, du = shift(v, PLACES * v_step), shift(v, PLACES * (v_step + d_step))
    clear(scratch, patched_size(down, across, channels) + patched_size(down, across, filters))
    for chunk in range(first_of(CHUNKS, thread, threads), last_of(CHUNKS, thread, threads)):
        dw, db = shift(partials, chunk * 9 * channels * filters), shift(bias_partials, chunk * filters)
        begin, end = first_of(rows, chunk, CHUNKS), last_of(rows, chunk, CHUNKS)
        first, last = begin * down * across, end * down * across
        clear(db, filters)
        if first == last:
            clear(dw, 9 * channels * filters)
            continue
        for start in range(first, last, WEIGHTS_BLOCK):
            count = min(WEIGHTS_BLOCK, last - start)
            transform_images(
                x, image, v, v_step, start, count, height, width, channels, geometry[TOP], geometry[LEFT],
                down, across,
            )  # fmt: skip
            route_tiles(
                dy, winner, gradient_image, d, d_step, start, count, out_height, out_width, filters, down, across
            )
            add_products(v, d, du, zeros, v_step, d_step, u_step, start == first, count, channels, filters)
        for i in range(begin * y_size, end * y_size, filters):
            for n in range(filters):
                db[n] += select(winner[i + n] == NOBODY, real(0), dy[i + n])
        store_weights(du, u_step, dw, v, channels, filters)
