"""A convolution, its ReLU and the max pool after it, sample by sample: what lies between them stays in the cache.

Names as in `dlrun.kernels.convolution`; z is the convolution's output, y and dy belong to the pool's. `pool` holds
the pool's sizes as `geometry` holds the convolution's. Bits are those of the layers one by one.
"""

from dlrun.kernels.chunks import clear
from dlrun.kernels.convolution import (
    CHANNELS,
    FILTERS,
    HEIGHT,
    OUT_HEIGHT,
    OUT_WIDTH,
    WIDTH,
    convolve_image,
    padded_image,
    padding_size,
)
from dlrun.kernels.convolution_input import gradient_of_image, gradient_padding_size, padded_gradient
from dlrun.kernels.convolution_weights import weights_of_image, weights_size
from dlrun.kernels.lang import (
    In,
    InBytes,
    InLong,
    Live,
    Number,
    Out,
    OutBytes,
    Scratch,
    Size,
    Thread,
    Threads,
    first_of,
    helper,
    int32,
    kernel,
    last_of,
    real,
    select,
    shift,
)
from dlrun.kernels.pooling import max_of_image, route_to_image
from dlrun.plan import CHUNKS

NOBODY = 255
"""The winner of a window in which the ReLU left nothing: its gradient goes nowhere."""


@helper
def out_size(g):
    """Return how many entries a sample's output has."""
    return g[OUT_HEIGHT] * g[OUT_WIDTH] * g[FILTERS]


@kernel
def conv_pool_forward(
    x: In, w: In, b: In, y: Out, winner: OutBytes, floor: Number, is_packed: Size, geometry: InLong, pool: InLong,
    scratch: Scratch, rows: Live, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """y = the max pool of z, z = max(b + the convolution of x with w, floor).

    Saves for backward: winner, as `max_pool_forward`; NOBODY where y isn't above the floor. Partition: samples.
    """
    x_size, y_size = geometry[HEIGHT] * geometry[WIDTH] * geometry[CHANNELS], out_size(pool)
    first, last = first_of(rows, thread, threads), last_of(rows, thread, threads)
    z = shift(scratch, padding_size(geometry))
    if first < last:
        clear(scratch, padding_size(geometry))
    for r in range(first, last):
        image = padded_image(shift(x, r * x_size), scratch, geometry)
        convolve_image(image, w, b, z, floor, is_packed, geometry)
        best, which = shift(y, r * y_size), shift(winner, r * y_size)
        max_of_image(z, best, which, pool)
        for i in range(y_size):
            which[i] = select(best[i] > floor, int32(which[i]), int32(NOBODY))


@kernel
def conv_pool_backward_weights(
    x: In, dy: In, winner: InBytes, partials: Out, bias_partials: Out, zeros: In, geometry: InLong, pool: InLong,
    scratch: Scratch, rows: Live, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """For each chunk, dw as `conv_backward_weights`, and db[n] = the sum of dy[r, i, j, n] over windows with a winner.

    Shapes: partials (CHUNKS, weights), bias_partials (CHUNKS, filters). Partition: chunks.
    """
    g = geometry
    x_size, y_size, filters = g[HEIGHT] * g[WIDTH] * g[CHANNELS], out_size(pool), g[FILTERS]
    dz = shift(scratch, padding_size(g))
    clear(scratch, padding_size(g))
    for chunk in range(first_of(CHUNKS, thread, threads), last_of(CHUNKS, thread, threads)):
        dw, db = shift(partials, chunk * weights_size(g)), shift(bias_partials, chunk * filters)
        first, last = first_of(rows, chunk, CHUNKS), last_of(rows, chunk, CHUNKS)
        clear(db, filters)
        if first == last:
            clear(dw, weights_size(g))
        for r in range(first, last):
            gradient, which = shift(dy, r * y_size), shift(winner, r * y_size)
            route_to_image(gradient, which, dz, pool)
            weights_of_image(padded_image(shift(x, r * x_size), scratch, g), dz, dw, zeros, r == first, g)
            for i in range(0, y_size, filters):
                for n in range(filters):
                    db[n] += select(which[i + n] == NOBODY, real(0), gradient[i + n])


@kernel
def conv_pool_backward_input(
    dy: In, winner: InBytes, packed: In, zeros: In, dx: Out, no_limit: Number, geometry: InLong, pool: InLong,
    scratch: Scratch, rows: Live, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """dx as `conv_backward_input`. Partition: samples."""
    g = geometry
    x_size, y_size = g[HEIGHT] * g[WIDTH] * g[CHANNELS], out_size(pool)
    dz = shift(scratch, gradient_padding_size(g))
    first, last = first_of(rows, thread, threads), last_of(rows, thread, threads)
    if first < last:
        clear(scratch, gradient_padding_size(g))
    for r in range(first, last):
        route_to_image(shift(dy, r * y_size), shift(winner, r * y_size), dz, pool)
        gradient_of_image(padded_gradient(dz, scratch, g), packed, zeros, no_limit, shift(dx, r * x_size), g)
