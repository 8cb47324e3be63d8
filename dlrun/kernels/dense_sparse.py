"""The dense layer's products for inputs with many zeros: images on a plain background, counted words, categories.

Terms that are zero for a whole tile are left out: the forward product of GROUP samples skips the features that are zero
in all of them, the gradient of GROUP neighbouring weights the samples in which all their features are zero. A fifth of
MNIST's pixels isn't zero; 44 and 34 % of those terms are left.

A zero added changes no sum: the bits are those of `dlrun.kernels.products`, but for the signs of zeros, and for weights
that aren't finite, whose product with zero would be NaN. Where the first row has few zeros nothing is left out, and the
kernels cost what the others do.
"""

from dlrun.kernels.dense_of_many import FORWARD_SCRATCH, ROWS, pack, product_of_many
from dlrun.kernels.lang import (
    In,
    InDouble,
    InOut,
    Live,
    Number,
    Out,
    Scratch,
    Size,
    Thread,
    Threads,
    Update,
    address,
    append_bits,
    apply_update,
    first_of,
    helper,
    kernel,
    lanes,
    last_of,
    listed_descend,
    listed_tile,
    nonzero_bits,
    pointer_to_int32,
    pointer_to_int64,
    real,
    shift,
    tile_columns,
)
from dlrun.kernels.products import (
    FEATURES,
    NO_LIMIT,
    first_column_of,
    last_column_of,
    product,
    weight_descent,
    weight_gradient,
)

GROUP = 6
"""Rows of a listed tile, `ROWS` of `dlrun.kernels.tile`: samples of a forward product, features of a gradient."""
DEPTH = 512
"""Terms that are listed and summed at a time: of whole products it would be half as many."""
COLUMNS = 128
"""Columns whose panels are packed together: DEPTH of them stay in L2."""
LIST = DEPTH + 16
"""Places of a list: as many terms as are summed at a time, and as many more as a vector may have."""
LISTS = ROWS // GROUP
LISTS_SCRATCH = LISTS * (LIST + 1) + 2 * LIST
"""Reals of working memory for the lists, which are int32, their lengths, and a word of 64 bits for each term."""
PACKED_SCRATCH = max(DEPTH * COLUMNS, FORWARD_SCRATCH)
"""Reals that packed weights need besides."""
FEW_ZEROS = 8
"""One in so many at most is few."""


@helper
def has_zeros(x, count):
    """Return whether many of the numbers are zero."""
    zeros = 0
    for k in range(count):
        zeros += x[k] == real(0)
    return zeros * FEW_ZEROS > count


@helper
def bits_of_any(x, x_row, rows):
    """Return in which columns of a vector any of the rows isn't zero."""
    bits = 0
    if rows == GROUP:
        for r in range(GROUP):  # as a rule, and unrolled
            bits |= nonzero_bits(shift(x, r * x_row))
    else:
        for r in range(rows):
            bits |= nonzero_bits(shift(x, r * x_row))
    return bits


@helper
def list_features(x, x_row, rows, terms, index):
    """List the k < terms at which any of the rows isn't zero; return how many: at least one."""
    n = 0
    for k in range(0, terms, lanes):
        bits = bits_of_any(shift(x, k), x_row, rows) & ((1 << min(lanes, terms - k)) - 1)
        for part in range(0, lanes, 8):
            n = append_bits(index, n, (bits >> part) & 255, k + part)
    if n == 0:
        index[0] = 0
        n = 1
    return n


@helper
def list_samples(x, x_row, rows, features, index, counts, words):
    """List, for each GROUP of features, the rows in which any of them isn't zero; `words` gets each row's bits."""
    for r in range(rows):
        bits = 0
        for i in range(0, features, lanes):
            bits |= nonzero_bits(shift(x, r * x_row + i)) << i
        words[r] = bits
    for r in range(rows, rows + 8):
        words[r] = 0
    for g in range((features + GROUP - 1) // GROUP):
        n, mask = 0, ((1 << GROUP) - 1) << g * GROUP
        for r in range(0, rows, 8):
            bits = 0
            for t in range(8):
                bits |= ((words[r + t] & mask) != 0) << t
            n = append_bits(shift(index, g * LIST), n, bits, r)
        counts[g] = n


@helper
def sparse_product(
    x, w, b, y, floor, scratch, packs, first_row, last_row, first_column, last_column, features, units
):  # fmt: skip
    """y[r, n] = max(b[n] + sum_k x[r, k] w[k, n], floor) for a range of rows and columns."""
    index = pointer_to_int32(address(scratch))
    counts, packed = shift(index, LISTS * LIST), shift(scratch, LISTS_SCRATCH)
    for column in range(first_column, last_column, COLUMNS):
        columns = min(COLUMNS, last_column - column)
        for k in range(0, features, DEPTH):
            terms = min(DEPTH, features - k)
            limit = floor if k + terms == features else real(NO_LIMIT)
            weights = shift(w, k * units + column)
            if packs != 0:
                pack(weights, units, packed, terms, columns)
            for block in range(first_row, last_row, ROWS):
                groups = (min(ROWS, last_row - block) + GROUP - 1) // GROUP
                for g in range(groups):
                    r = block + g * GROUP
                    here = shift(x, r * features + k)
                    counts[g] = list_features(here, features, min(GROUP, last_row - r), terms, shift(index, g * LIST))
                for n in range(0, columns, tile_columns):
                    panel = shift(packed, n * terms) if packs != 0 else shift(weights, n)
                    for g in range(groups):
                        r = block + g * GROUP
                        c = shift(y, r * units + column + n)
                        listed_tile(
                            shift(x, r * features + k), features, 1, panel, tile_columns if packs != 0 else units,
                            shift(index, g * LIST), shift(b, column + n) if k == 0 else c, 0 if k == 0 else units,
                            c, units, counts[g], min(GROUP, last_row - r), min(tile_columns, columns - n), limit,
                        )  # fmt: skip


@kernel
def dense_forward_sparse(
    x: In, w: In, b: In, y: Out, floor: Number, scratch: Scratch, packs: Size, by_samples: Size, rows: Live,
    positions: Size, features: Size, units: Size, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """y[r, n] = max(b[n] + sum_i x[r, i] w[i, n], floor), without the terms where x is zero; `packs` the weights.

    Shapes: x (rows, positions, features), w (features, units), b (units), y (rows, positions, units).
    Partition: samples, or panels of units.
    """
    first_row, last_row, first_column, last_column = 0, rows * positions, 0, units
    if by_samples != 0:
        first_row, last_row = first_of(rows, thread, threads) * positions, last_of(rows, thread, threads) * positions
    else:
        first_column, last_column = first_column_of(units, thread, threads), last_column_of(units, thread, threads)
    if first_row < last_row:
        if has_zeros(shift(x, first_row * features), features):
            sparse_product(
                x, w, b, y, floor, scratch, packs, first_row, last_row, first_column, last_column, features, units
            )
        elif packs != 0:
            product_of_many(x, w, b, y, floor, scratch, first_row, last_row, first_column, last_column, features, units)
        else:
            product(
                x, features, w, units, b, y, units, floor, first_row, last_row, first_column, last_column, features
            )  # fmt: skip


@helper
def sparse_descent(
    x, x_row, dy, dy_row, w, w_row, rate, zeros, scratch, rows, weights, first_column, last_column
):  # fmt: skip
    """w[i, n] -= rate * sum_r x[r, i] dy[r, n], r < rows, i < weights, for a range of columns."""
    index, sums = pointer_to_int32(address(scratch)), shift(scratch, LISTS_SCRATCH)
    counts, words = shift(index, LISTS * LIST), pointer_to_int64(address(shift(scratch, LISTS * (LIST + 1))))
    columns = last_column - first_column
    for first in range(0, weights, FEATURES):
        count = min(FEATURES, weights - first)
        for r in range(0, rows, DEPTH):
            terms, here = min(DEPTH, rows - r), shift(x, r * x_row + first)
            list_samples(here, x_row, terms, count, index, counts, words)
            for n in range(0, columns, tile_columns):
                width, b = min(tile_columns, columns - n), shift(dy, r * dy_row + first_column + n)
                for i in range(0, count, GROUP):
                    listed, places = counts[i // GROUP], shift(index, i // GROUP * LIST)
                    group, partial = min(GROUP, count - i), shift(sums, i * columns + n)
                    start, start_row = zeros if r == 0 else partial, 0 if r == 0 else columns
                    if r + terms < rows:
                        listed_tile(
                            shift(here, i), 1, x_row, b, dy_row, places, start, start_row, partial, columns,
                            max(listed, 1), group, width, real(NO_LIMIT),
                        )  # fmt: skip
                    elif listed > 0 or r > 0:
                        listed_descend(
                            shift(here, i), 1, x_row, b, dy_row, places, start, start_row,
                            shift(w, (first + i) * w_row + first_column + n), w_row, max(listed, 1), group, width, rate,
                        )  # fmt: skip


@kernel
def dense_descend_sparse(
    x: In, dy: In, w: InOut, scalars: InDouble, zeros: In, scratch: Scratch, by_columns: Size, rows: Live,
    positions: Size, features: Size, units: Size, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """w[i, n] -= rate * sum_r x[r, i] dy[r, n], without the terms where x is zero; the rate is scalars[0].

    Shapes: x (rows, positions, features), dy (rows, positions, units), w (features, units).
    Partition: panels of units, whose weights then stay in one core's cache, or rows of the weights.
    """
    first, last, first_column, last_column = 0, features, 0, units
    if by_columns != 0:
        first_column, last_column = first_column_of(units, thread, threads), last_column_of(units, thread, threads)
    else:
        first, last = first_of(features, thread, threads), last_of(features, thread, threads)
    here, weights, rate = shift(x, first), shift(w, first * units), real(scalars[0])
    if has_zeros(x, features):
        sparse_descent(
            here, features, dy, units, weights, units, rate, zeros, scratch, rows * positions, last - first,
            first_column, last_column,
        )  # fmt: skip
    else:
        weight_descent(
            here, features, dy, units, weights, units, rate, zeros, scratch, rows * positions, last - first,
            first_column, last_column,
        )  # fmt: skip


@helper
def sparse_gradient(x, x_row, dy, dy_row, dw, zeros, scratch, first_weight, last_weight, weights, rows, columns):
    """dw[i, n] = sum_r x[r, i] dy[r, n], r < rows, n < columns, for a range of i, `weights` ≤ FEATURES at a time."""
    index, sums = pointer_to_int32(address(scratch)), shift(scratch, LISTS_SCRATCH)
    counts, words = shift(index, LISTS * LIST), pointer_to_int64(address(shift(scratch, LISTS * (LIST + 1))))
    for first in range(first_weight, last_weight, weights):
        count = min(weights, last_weight - first)
        for r in range(0, rows, DEPTH):
            here = shift(x, r * x_row + first)
            list_samples(here, x_row, min(DEPTH, rows - r), count, index, counts, words)
            for n in range(0, columns, tile_columns):
                for i in range(0, count, GROUP):
                    c = shift(sums, i * columns + n)
                    listed_tile(
                        shift(here, i), 1, x_row, shift(dy, r * dy_row + n), dy_row, shift(index, i // GROUP * LIST),
                        zeros if r == 0 else c, 0 if r == 0 else columns, c, columns, max(counts[i // GROUP], 1),
                        min(GROUP, count - i), min(tile_columns, columns - n), real(NO_LIMIT),
                    )  # fmt: skip
        apply_update(dw, sums, first * columns, count * columns)


@kernel
def dense_backward_weights_sparse(
    x: In, dy: In, dw: Update, zeros: In, scratch: Scratch, weights: Size, rows: Live, positions: Size, features: Size,
    units: Size, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """dw[i, n] = sum_r x[r, i] dy[r, n], without the terms where x is zero, a few rows of the weights at a time.

    Shapes: x (rows, positions, features), dy (rows, positions, units), dw (features, units).
    Partition: rows of the weights.
    """
    first, last = first_of(features, thread, threads), last_of(features, thread, threads)
    if has_zeros(x, features):
        sparse_gradient(x, features, dy, units, dw, zeros, scratch, first, last, weights, rows * positions, units)
    else:
        weight_gradient(x, features, dy, units, dw, zeros, scratch, first, last, weights, rows * positions, units)
