"""The dense layer's product as two sums, one for each half of the features, in training.

By samples, each thread reads all weights, of which the other threads have just changed their parts: lines that come
over from another core's cache. By halves, of two threads each reads and changes the same half of the weights in all
steps, and reads the same half of each sample; what they exchange are the sums, (rows, units) for each half.
"""

from dlrun.kernels.dense_sparse import has_zeros, sparse_product
from dlrun.kernels.halves import features_from, first_of_part, last_of_part, row_of_part
from dlrun.kernels.lang import (
    In,
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
    select,
    shift,
)
from dlrun.kernels.products import NO_LIMIT, product


@helper
def product_of_half(x, x_row, w, b, y, scratch, searches, first_row, last_row, terms, units):
    """y[r, n] = b[n] + sum_k x[r, k] w[k, n], k < terms, for a range of rows."""
    limit = real(NO_LIMIT)
    if searches != 0 and has_zeros(shift(x, first_row * x_row), terms):
        sparse_product(x, x_row, w, b, y, limit, scratch, 0, first_row, last_row, terms, units)
    else:
        product(x, x_row, w, units, b, y, units, limit, first_row, last_row, 0, units, terms)


@kernel
def dense_forward_halves(
    x: In, w: In, b: In, zeros: In, sums: Out, scratch: Scratch, searches: Size, middle: Size, apart: Size,
    rows: Live, features: Size, units: Size, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """sums[h, r, n] = sum_i x[r, i] w[i, n] over the half h of the features, from b[n] on for the first half.

    The second half begins at `middle`; those of x may be `apart`. It `searches` for zeros, whose terms it leaves out.
    Shapes: x (rows, features), w (features, units), b and zeros (units), sums (2, rows, units). Partition: halves.
    """
    for half in range(2):
        first_row = first_of_part(rows, half, 2, thread, threads)
        last_row = last_of_part(rows, half, 2, thread, threads)
        if first_row < last_row:
            at, end = half * middle, middle if half == 0 else features
            product_of_half(
                shift(features_from(x, at, apart), at), row_of_part(at, end, features, apart), shift(w, at * units),
                b if half == 0 else zeros, shift(sums, half * rows * units), scratch, searches, first_row, last_row,
                end - at, units,
            )  # fmt: skip


@kernel
def add_halves(sums: In, y: Out, floor: Number, rows: Live, units: Size, thread: Thread, threads: Threads) -> None:
    """y[r, n] = max(sums[0, r, n] + sums[1, r, n], floor).

    Shapes: sums (2, rows, units), y (rows, units). Partition: samples.
    """
    other, limit = shift(sums, rows * units), real(floor)
    for i in range(first_of(rows, thread, threads) * units, last_of(rows, thread, threads) * units):
        total = sums[i] + other[i]
        y[i] = select(total < limit, limit, total)
