"""The dense layer's products for inputs with many zeros: images on a plain background, counted words, categories.

Terms that are zero are left out. A forward product takes one sample after the other, lists the features in which it
isn't zero, and adds up their rows of weights; the gradient takes one feature after the other, lists the samples in
which it isn't zero, and adds up their rows of the output's gradient.

A zero added changes no sum: the bits are those of `dlrun.kernels.products`, but for the signs of zeros, and for weights
that aren't finite, whose product with zero would be NaN. Where a thread's part of the first row has few zeros it leaves
nothing out, and the kernels cost what the others do.
"""

from dlrun.kernels.dense_of_many import FORWARD_SCRATCH, product_of_many
from dlrun.kernels.entries import copy_entries
from dlrun.kernels.halves import features_from, first_in_lines, last_in_lines, row_of_part
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
    descend_listed_row,
    first_of,
    helper,
    helper_apart,
    int32,
    kernel,
    lanes,
    last_of,
    listed_row,
    nonzero_bits,
    pointer_to_int32,
    real,
    select,
    shift,
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

DEPTH = 96
"""Features that are listed and summed at a time: those rows of weights that are used stay in L1."""
COLUMNS = 128
"""Columns that are summed at a time."""
ROWS = 64
"""Samples of a product that are worked on together: they stay in L2."""
SAMPLES = 64
"""Samples that are listed and summed at a time for a gradient: their rows of the output's gradient stay in L1."""
WORD = 32
"""Samples of a word of bits."""
LIST = max(DEPTH, SAMPLES) + 16
"""Places of a list: as many terms as are summed at a time, and as many more as a vector may have."""
LISTS_SCRATCH = LIST + SAMPLES // WORD * FEATURES
"""Reals of working memory for a list and for words of bits, which are int32."""
PACKED_SCRATCH = max(DEPTH * COLUMNS, FORWARD_SCRATCH)
"""Reals that packed weights need besides."""
FEW_ZEROS = 2
"""One in so many at most is few."""


@helper
def has_zeros(x, count):
    """Return whether many of the numbers are zero."""
    zeros = 0
    for k in range(count):
        zeros += x[k] == real(0)
    return zeros * FEW_ZEROS > count


@helper
def columns_ahead(left):
    """Return how many of the columns that are left the next listed row takes: all vectors full, but for the last."""
    if left > 7 * lanes:
        return min(left, 8 * lanes)
    if left > 3 * lanes:
        return min(left, 4 * lanes)
    return min(left, 2 * lanes)


@helper
def list_features(x, terms, index):
    """List the k < terms at which a row isn't zero, or one if there are none; return how many there are."""
    n = 0
    for k in range(0, terms, lanes):
        bits = nonzero_bits(shift(x, k)) & ((1 << min(lanes, terms - k)) - 1)
        for part in range(0, lanes, 8):
            n = append_bits(index, n, (bits >> part) & 255, k + part)
    if n == 0:
        index[0] = 0
    return n


@helper_apart
def set_bits(words, x, bit, count):
    """Set a bit of the words whose number isn't zero."""
    for i in range(count):
        words[i] = words[i] | select(x[i] != real(0), bit, int32(0))


@helper
def find_samples(x, x_row, rows, features, words):
    """Set, for each feature, a bit for each sample in which it isn't zero: words (SAMPLES / WORD, FEATURES)."""
    for i in range(SAMPLES // WORD * FEATURES):
        words[i] = 0
    for r in range(rows):
        set_bits(shift(words, r // WORD * FEATURES), shift(x, r * x_row), int32(1 << r % WORD), features)


@helper
def list_samples(words, rows, index):
    """List the samples whose bits are set for a feature, or one if there are none; return how many there are."""
    n = 0
    for r in range(0, rows, WORD):
        bits = words[r // WORD * FEATURES]
        for part in range(0, WORD, 8):
            n = append_bits(index, n, (bits >> part) & 255, r + part)
    if n == 0:
        index[0] = 0
    return n


@helper
def sum_row(row, a, a_k, b, b_k, index, initial, c, count, columns, limit):
    """Make a `row` (listed_row, descend_listed_row) of all columns, with initial[n] + the sum of a[k] b[k, n]."""
    n = 0
    while n < columns:
        ahead = columns_ahead(columns - n)
        row(a, a_k, shift(b, n), b_k, index, shift(initial, n), shift(c, n), max(count, 1), ahead, limit)
        n += ahead


@helper
def add_terms(x, x_row, w, b, y, floor, scratch, packs, first, end, column, columns, k, features, units):
    """Add DEPTH terms of a product from the k-th on: the first to the bias, and the floor after the last."""
    index, packed = pointer_to_int32(address(scratch)), shift(scratch, LISTS_SCRATCH)
    terms, is_last, weights, step = min(DEPTH, features - k), k + DEPTH >= features, shift(w, k * units + column), units
    if packs != 0 and units > COLUMNS:
        for i in range(terms):
            copy_entries(shift(weights, i * units), shift(packed, i * columns), columns)
        weights, step = packed, columns
    for r in range(first, end):
        here, out = shift(x, r * x_row + k), shift(y, r * units + column)
        count = list_features(here, terms, index)
        if count > 0 or k == 0 or is_last:
            sum_row(
                listed_row, here, 1, weights, step, index, shift(b, column) if k == 0 else out, out, count, columns,
                floor if is_last else real(NO_LIMIT),
            )  # fmt: skip


@helper
def sparse_product(x, x_row, w, b, y, floor, scratch, packs, first_row, last_row, features, units):
    """y[r, n] = max(b[n] + sum_k x[r, k] w[k, n], floor) for a range of rows."""
    for first in range(first_row, last_row, ROWS):
        end = min(first + ROWS, last_row)
        for column in range(0, units, COLUMNS):
            columns = min(COLUMNS, units - column)
            for k in range(0, features, DEPTH):
                add_terms(x, x_row, w, b, y, floor, scratch, packs, first, end, column, columns, k, features, units)


@kernel
def dense_forward_sparse(
    x: In, w: In, b: In, y: Out, floor: Number, scratch: Scratch, packs: Size, by_samples: Size, rows: Live,
    positions: Size, features: Size, units: Size, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """y[r, n] = max(b[n] + sum_i x[r, i] w[i, n], floor), without the terms where x is zero; `packs` the weights.

    Shapes: x (rows, positions, features), w (features, units), b (units), y (rows, positions, units).
    Partition: samples, or split: then samples where terms are left out, else panels of units.
    """
    first_row, last_row = first_of(rows, thread, threads) * positions, last_of(rows, thread, threads) * positions
    if by_samples != 0 and first_row == last_row:
        return
    if has_zeros(shift(x, first_row * features * by_samples), features):
        sparse_product(x, features, w, b, y, floor, scratch, packs, first_row, last_row, features, units)
        return
    first_column, last_column = 0, units
    if by_samples == 0:
        first_row, last_row = 0, rows * positions
        first_column, last_column = first_column_of(units, thread, threads), last_column_of(units, thread, threads)
    if packs != 0:
        product_of_many(x, w, 0, b, y, floor, scratch, first_row, last_row, first_column, last_column, features, units)
    else:
        product(x, features, w, units, b, y, units, floor, first_row, last_row, first_column, last_column, features)


@helper
def sparse_descent(x, x_row, dy, w, rate, zeros, scratch, rows, weights, columns):
    """w[i, n] -= rate * sum_r x[r, i] dy[r, n], r < rows, i < weights, n < columns."""
    index, sums = pointer_to_int32(address(scratch)), shift(scratch, LISTS_SCRATCH)
    words = shift(index, LIST)
    for first in range(0, weights, FEATURES):
        features = min(FEATURES, weights - first)
        for r in range(0, rows, SAMPLES):
            samples, here, b = min(SAMPLES, rows - r), shift(x, r * x_row + first), shift(dy, r * columns)
            find_samples(here, x_row, samples, features, words)
            for i in range(features):
                count, partial = list_samples(shift(words, i), samples, index), shift(sums, i * columns)
                start = zeros if r == 0 else partial
                if r + samples == rows and (count > 0 or r > 0):
                    out = shift(w, (first + i) * columns)
                    sum_row(
                        descend_listed_row, shift(here, i), x_row, b, columns, index, start, out, count, columns, rate
                    )  # fmt: skip
                elif r + samples < rows and (count > 0 or r == 0):
                    sum_row(
                        listed_row, shift(here, i), x_row, b, columns, index, start, partial, count, columns,
                        real(NO_LIMIT),
                    )  # fmt: skip


@kernel
def dense_descend_sparse(
    x: In, dy: In, w: InOut, scalars: InDouble, zeros: In, scratch: Scratch, by_columns: Size, middle: Size,
    apart: Size, rows: Live, positions: Size, features: Size, units: Size, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """w[i, n] -= rate * sum_r x[r, i] dy[r, n], without the terms where x is zero; the rate is scalars[0].

    Shapes: x (rows, positions, features), in one piece (`middle` is the features), or its halves `apart`, dy (rows,
    positions, units), w (features, units).
    Partition: rows of the weights; where no terms are left out and `by_columns`, panels of units.
    """
    rate, count = real(scalars[0]), rows * positions
    if by_columns != 0 and not has_zeros(x, features):
        first_column, last_column = first_column_of(units, thread, threads), last_column_of(units, thread, threads)
        weight_descent(
            x, features, dy, units, w, units, rate, zeros, scratch, count, features, first_column, last_column
        )
        return
    first, last = first_in_lines(features, thread, threads), last_in_lines(features, thread, threads)
    for part in range(1 if middle == features else 2):
        low, high = part * middle, middle if part == 0 else features
        begin, end = max(first, low), min(last, high)
        if begin < end:
            here, x_row = shift(features_from(x, low, apart), begin), row_of_part(low, high, features, apart)
            out = shift(w, begin * units)
            if by_columns != 0 or has_zeros(here, end - begin):
                sparse_descent(here, x_row, dy, out, rate, zeros, scratch, count, end - begin, units)
            else:
                weight_descent(here, x_row, dy, units, out, units, rate, zeros, scratch, count, end - begin, 0, units)


@helper
def sparse_gradient(x, x_row, dy, dw, zeros, scratch, first_weight, last_weight, weights, rows, columns):
    """dw[i, n] = sum_r x[r, i] dy[r, n], r < rows, n < columns, for a range of i, `weights` ≤ FEATURES at a time."""
    index, sums = pointer_to_int32(address(scratch)), shift(scratch, LISTS_SCRATCH)
    words = shift(index, LIST)
    for first in range(first_weight, last_weight, weights):
        features = min(weights, last_weight - first)
        for r in range(0, rows, SAMPLES):
            samples, here = min(SAMPLES, rows - r), shift(x, r * x_row + first)
            find_samples(here, x_row, samples, features, words)
            for i in range(features):
                count, c = list_samples(shift(words, i), samples, index), shift(sums, i * columns)
                if count > 0 or r == 0:
                    sum_row(
                        listed_row, shift(here, i), x_row, shift(dy, r * columns), columns, index,
                        zeros if r == 0 else c, c, count, columns, real(NO_LIMIT),
                    )  # fmt: skip
        apply_update(dw, sums, first * columns, features * columns)


@kernel
def dense_backward_weights_sparse(
    x: In, dy: In, dw: Update, zeros: In, scratch: Scratch, weights: Size, middle: Size, apart: Size, rows: Live,
    positions: Size, features: Size, units: Size, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """dw[i, n] = sum_r x[r, i] dy[r, n], without the terms where x is zero, a few rows of the weights at a time.

    Shapes: x (rows, positions, features), in one piece (`middle` is the features), or its halves `apart`, dy (rows,
    positions, units), dw (features, units).
    Partition: rows of the weights.
    """
    first, last = first_in_lines(features, thread, threads), last_in_lines(features, thread, threads)
    for part in range(1 if middle == features else 2):
        low, high = part * middle, middle if part == 0 else features
        begin, end = max(first, low), min(last, high)
        if begin < end:
            here, x_row = features_from(x, low, apart), row_of_part(low, high, features, apart)
            count = rows * positions
            if has_zeros(shift(here, begin), end - begin):
                sparse_gradient(here, x_row, dy, dw, zeros, scratch, begin, end, weights, count, units)
            else:
                weight_gradient(here, x_row, dy, units, dw, zeros, scratch, begin, end, weights, count, units)
