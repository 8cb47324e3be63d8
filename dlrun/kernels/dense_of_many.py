"""The dense layer's products for many rows: sequences, and large batches. The same bits as those for few.

What all tiles of a block share is first packed into panels (depth, tile_columns), which a tile reads from end to end.
Rows whose length is a power of two would fall on few sets of the caches, and a step of a sequence's gradient on a new
line each. Measured (AVX2, one core of 95 GFLOP/s, 768 rows, 128 x 512): forward 77 → 93 GFLOP/s, weights 60 → 82.
"""

from dlrun.kernels.lang import (
    In,
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
    shift,
    tile_columns,
)
from dlrun.kernels.products import NO_LIMIT, first_column_of, last_column_of, tiles
from dlrun.kernels.recurrent import copy_columns

DEPTH = 256
"""Terms that are summed at a time: a panel of them and the rows of a tile stay in L1."""
COLUMNS = 256
"""Columns whose panels are packed together for the forward product: DEPTH of them stay in L2."""
ROWS = 48
"""Rows that go through all panels before the next ones: they stay in L1 or L2."""
SUM_COLUMNS, SUM_ROWS = 128, 252
"""The block of the weights' gradient that is summed together: it stays in L2, with the panels it is made from."""
FORWARD_SCRATCH = DEPTH * COLUMNS
WEIGHTS_SCRATCH = DEPTH * SUM_COLUMNS + SUM_ROWS * SUM_COLUMNS
"""Reals of working memory that the kernels need."""


@helper
def pack(x, x_row, packed, rows, columns):
    """Copy rows and columns of x into panels, packed (panels, rows, tile_columns), whatever beyond the last column."""
    for r in range(rows):
        for n in range(0, columns, tile_columns):
            copy_columns(shift(x, r * x_row + n), shift(packed, n * rows + r * tile_columns))


@helper
def product_of_block(x, panels, panel, b, y, floor, first_row, last_row, column, columns, k, terms, features, units):
    """Add the terms k .. k + terms to y[r, column ..], for a range of rows; `panel` entries of w are a panel's."""
    limit = floor if k + terms == features else real(NO_LIMIT)
    for block in range(first_row, last_row, ROWS):
        end = min(block + ROWS, last_row)
        for n in range(0, columns, tile_columns):
            c = shift(y, block * units + column + n)
            tiles(
                shift(x, block * features + k), features, 1, 0, shift(panels, n // tile_columns * panel), tile_columns,
                0, shift(b, column + n) if k == 0 else c, 0 if k == 0 else units, c, units, terms, 1, end - block,
                min(tile_columns, columns - n), limit,
            )  # fmt: skip


@helper
def product_of_many(
    x, w, is_packed, b, y, floor, scratch, first_row, last_row, first_column, last_column, features, units
):  # fmt: skip
    """y[r, n] = max(b[n] + sum_k x[r, k] w[k, n], floor) for a range of rows and columns.

    w is (features, units), and a block of it is packed at a time, or as `pack_panels` packs it.
    """
    for column in range(first_column, last_column, COLUMNS):
        columns = min(COLUMNS, last_column - column)
        for k in range(0, features, DEPTH):
            terms = min(DEPTH, features - k)
            panels, panel = shift(w, column * features + k * tile_columns), features * tile_columns
            if is_packed == 0:
                pack(shift(w, k * units + column), units, scratch, terms, columns)
                panels, panel = scratch, terms * tile_columns
            product_of_block(
                x, panels, panel, b, y, floor, first_row, last_row, column, columns, k, terms, features, units
            )


@kernel
def dense_forward_of_many(
    x: In, w: In, is_packed: Size, b: In, y: Out, floor: Number, scratch: Scratch, by_samples: Size, rows: Live,
    positions: Size, features: Size, units: Size, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """y[r, n] = max(b[n] + sum_i x[r, i] w[i, n], floor).

    Shapes: x (rows, positions, features), w (features, units), or packed by `pack_panels`, b (units), y
    (rows, positions, units). Partition: samples, or panels of units.
    """
    first_row, last_row, first_column, last_column = 0, rows * positions, 0, units
    if by_samples != 0:
        first_row, last_row = first_of(rows, thread, threads) * positions, last_of(rows, thread, threads) * positions
    else:
        first_column, last_column = first_column_of(units, thread, threads), last_column_of(units, thread, threads)
    if first_row < last_row:
        product_of_many(
            x, w, is_packed, b, y, floor, scratch, first_row, last_row, first_column, last_column, features, units
        )


@helper
def sum_block(x, dy, sums, packed, zeros, first, count, column, columns, rows, features, units):
    """sums[i, n] = sum_r x[r, first + i] dy[r, column + n] for i < count, n < columns."""
    for r in range(0, rows, DEPTH):
        terms = min(DEPTH, rows - r)
        pack(shift(dy, r * units + column), units, packed, terms, columns)
        for n in range(0, columns, tile_columns):
            c = shift(sums, n)
            tiles(
                shift(x, r * features + first), 1, features, 0, shift(packed, n * terms), tile_columns, 0,
                zeros if r == 0 else c, 0 if r == 0 else columns, c, columns, terms, 1, count,
                min(tile_columns, columns - n), real(NO_LIMIT),
            )  # fmt: skip


@kernel
def dense_backward_weights_of_many(
    x: In, dy: In, dw: Update, zeros: In, scratch: Scratch, rows: Live, positions: Size, features: Size, units: Size,
    thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """dw[i, n] = sum_r x[r, i] dy[r, n], a block at a time, handed on while in cache.

    Shapes: x (rows, positions, features), dy (rows, positions, units), dw (features, units).
    Partition: panels of units or rows of the weights, whichever are more.
    """
    first, last, first_column, last_column = 0, features, 0, units
    if units >= features:
        first_column, last_column = first_column_of(units, thread, threads), last_column_of(units, thread, threads)
    else:
        first, last = first_of(features, thread, threads), last_of(features, thread, threads)
    packed, sums = scratch, shift(scratch, DEPTH * SUM_COLUMNS)
    for column in range(first_column, last_column, SUM_COLUMNS):
        columns = min(SUM_COLUMNS, last_column - column)
        for i in range(first, last, SUM_ROWS):
            count = min(SUM_ROWS, last - i)
            sum_block(x, dy, sums, packed, zeros, i, count, column, columns, rows * positions, features, units)
            if columns == units:
                apply_update(dw, sums, i * units, count * units)
            else:
                for r in range(count):
                    apply_update(dw, shift(sums, r * columns), (i + r) * units + column, columns)
