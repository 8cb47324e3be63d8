"""Matrix products over the register tile, for layers whose weights are a matrix: dense, recurrent, attention.

All matrices are stored row by row; `..._row` is the distance between a matrix's rows in elements, so that a product
can take or give a part of wider rows. Every number is one chain of fused multiply-adds in the order of the summed
index, whatever the range of rows and columns that a thread computes: partitions don't change bits.
"""

from __future__ import annotations

from dlrun.kernels.lang import (
    address,
    apply_update,
    descend,
    first_of,
    helper,
    last_of,
    middle_tile_rows,
    real,
    shift,
    small_tile_rows,
    tile,
    tile_columns,
    tile_from,
    tile_rows,
)
from dlrun.kernels.transposing import transpose

NO_LIMIT = float("-inf")
DEPTH = 256
"""Products are summed in blocks of this many terms, so that a block of both factors stays in L1."""
FEATURES = 48
"""Rows of a transposed product made at a time: their weights stay in L1 over the panels of samples."""


@helper
def rows_ahead(left):
    """Return how many of the rows that are left the next tile takes: all tiles full as far as possible.

    With tiles of 6 and of 4 rows, 8 are 4 + 4 and not 6 + 2: a tile of 2 takes as long as one of 4.
    """
    if left > tile_rows + 2 or left == tile_rows or left == tile_rows - 1:
        return min(left, tile_rows)
    if left > middle_tile_rows + 2:
        return middle_tile_rows
    return small_tile_rows if left > middle_tile_rows else left


@helper
def tiles(
    a, a_row, a_k, a_outer, b, b_k, b_outer, initial, initial_row, c, c_row, n_k, n_outer, rows, columns, floor
):  # fmt: skip
    """Do what `tile` does, with the same arguments, for any number of rows."""
    r = 0
    while r < rows:
        ahead = rows_ahead(rows - r)
        tile(
            shift(a, r * a_row), a_row, a_k, a_outer, b, b_k, b_outer, shift(initial, r * initial_row), initial_row,
            shift(c, r * c_row), c_row, n_k, n_outer, ahead, columns, floor,
        )  # fmt: skip
        r += ahead


@helper
def tiles_from(
    a, a_row, a_k, a_outer, b, b_k, b_outer, initial, places, c, c_row, n_k, n_outer, rows, columns, floor
):  # fmt: skip
    """Do what `tile_from` does, for any number of rows; `places` is a pointer to where each one's start values are."""
    r = 0
    while r < rows:
        ahead = rows_ahead(rows - r)
        tile_from(
            shift(a, r * a_row), a_row, a_k, a_outer, b, b_k, b_outer, initial, address(shift(places, r)),
            shift(c, r * c_row), c_row, n_k, n_outer, ahead, columns, floor,
        )  # fmt: skip
        r += ahead


@helper
def first_column_of(units, thread, threads):
    """Return the first column of the panels, of tile_columns each, that belong to this thread."""
    return first_of((units + tile_columns - 1) // tile_columns, thread, threads) * tile_columns


@helper
def last_column_of(units, thread, threads):
    """Return the end (exclusive) of the columns of this thread's panels."""
    return min(last_of((units + tile_columns - 1) // tile_columns, thread, threads) * tile_columns, units)


@helper
def product(
    x, x_row, w, w_row, b, y, y_row, floor, first_row, last_row, first_column, last_column, depth
):  # fmt: skip
    """y[r, n] = max(b[n] + sum_k x[r, k] w[k, n], floor) for a range of rows and columns; k < depth."""
    for k in range(0, depth, DEPTH):
        terms = min(DEPTH, depth - k)
        limit = floor if k + terms == depth else real(NO_LIMIT)
        for n in range(first_column, last_column, tile_columns):
            c = shift(y, first_row * y_row + n)
            tiles(
                shift(x, first_row * x_row + k), x_row, 1, 0, shift(w, k * w_row + n), w_row, 0,
                shift(b, n) if k == 0 else c, 0 if k == 0 else y_row, c, y_row, terms, 1,
                last_row - first_row, min(tile_columns, last_column - n), limit,
            )  # fmt: skip


@helper
def transposed_product(
    dy, dy_row, w, w_row, b, b_step, dx, dx_row, scratch, first_row, last_row, first_feature, last_feature, depth
):  # fmt: skip
    """dx[r, i] = b[i] + sum_n dy[r, n] w[i, n] for a range of rows and features; n < depth.

    With a `b_step` of 0, b are tile_columns numbers that every panel starts from: zeros.
    Panels of w are transposed into `scratch` (depth, tile_columns): for many rows.
    """
    if first_row == last_row:
        return
    for i in range(first_feature, last_feature, tile_columns):
        columns = min(tile_columns, last_feature - i)
        transpose(shift(w, i * w_row), w_row, scratch, tile_columns, columns, depth, real(1))
        tiles(
            shift(dy, first_row * dy_row), dy_row, 1, 0, scratch, tile_columns, 0, shift(b, i * b_step), 0,
            shift(dx, first_row * dx_row + i), dx_row, depth, 1, last_row - first_row, columns, real(NO_LIMIT),
        )  # fmt: skip


@helper
def transposed_product_of_few(
    dy, dy_row, w, w_row, dx, dx_row, zeros, scratch, first_row, last_row, first_feature, last_feature, depth
):  # fmt: skip
    """Do the same for few rows, with the same bits: dy is transposed instead of the many weights.

    `scratch` holds dy by panels of rows, (panels, depth, tile_columns), and a block of dx, (FEATURES, tile_columns).
    """
    rows = last_row - first_row
    panels = (rows + tile_columns - 1) // tile_columns
    for p in range(panels):
        here, columns = shift(dy, (first_row + p * tile_columns) * dy_row), min(tile_columns, rows - p * tile_columns)
        transpose(here, dy_row, shift(scratch, p * depth * tile_columns), tile_columns, columns, depth, real(1))
    block = shift(scratch, panels * depth * tile_columns)
    for first in range(first_feature, last_feature, FEATURES):
        count = min(FEATURES, last_feature - first)
        for p in range(panels):
            columns = min(tile_columns, rows - p * tile_columns)
            tiles(
                shift(w, first * w_row), w_row, 1, 0, shift(scratch, p * depth * tile_columns), tile_columns, 0,
                zeros, 0, block, tile_columns, depth, 1, count, columns, real(NO_LIMIT),
            )  # fmt: skip
            out = shift(dx, (first_row + p * tile_columns) * dx_row + first)
            transpose(block, tile_columns, out, dx_row, count, columns, real(1))


@helper
def weight_gradient(
    x, x_row, dy, dy_row, dw, zeros, scratch, first_weight, last_weight, weights, rows, columns
):  # fmt: skip
    """dw[i, n] = sum_r x[r, i] dy[r, n], r < rows, n < columns, for a range of i: `weights` of them at a time.

    Each block (weights, columns) is summed in `scratch` and handed on to the update `dw` while it is in cache.
    """
    for first in range(first_weight, last_weight, weights):
        count = min(weights, last_weight - first)
        for r in range(0, rows, DEPTH):
            terms = min(DEPTH, rows - r)
            for n in range(0, columns, tile_columns):
                c = shift(scratch, n)
                tiles(
                    shift(x, r * x_row + first), 1, x_row, 0, shift(dy, r * dy_row + n), dy_row, 0,
                    zeros if r == 0 else c, 0 if r == 0 else columns, c, columns, terms, 1,
                    count, min(tile_columns, columns - n), real(NO_LIMIT),
                )  # fmt: skip
        apply_update(dw, scratch, first * columns, count * columns)


@helper
def weight_descent(
    x, x_row, dy, dy_row, w, w_row, rate, zeros, scratch, rows, weights, first_column, last_column
):  # fmt: skip
    """w[i, n] -= rate * sum_r x[r, i] dy[r, n], r < rows, i < weights, for a range of columns.

    FEATURES weights at a time, so that their inputs stay in L1 over the columns; `scratch` (FEATURES, tile_columns)
    holds sums of more than DEPTH rows.
    """
    for first in range(0, weights, FEATURES):
        count = min(FEATURES, weights - first)
        for n in range(first_column, last_column, tile_columns):
            width = min(tile_columns, last_column - n)
            for r in range(0, rows, DEPTH):
                terms, a, b = min(DEPTH, rows - r), shift(x, r * x_row + first), shift(dy, r * dy_row + n)
                start, start_row = zeros if r == 0 else scratch, 0 if r == 0 else tile_columns
                if r + terms < rows:
                    tiles(
                        a, 1, x_row, 0, b, dy_row, 0, start, start_row, scratch, tile_columns, terms, 1, count, width,
                        real(NO_LIMIT),
                    )  # fmt: skip
                    continue
                i = 0
                while i < count:
                    ahead = rows_ahead(count - i)
                    descend(
                        shift(a, i), 1, x_row, 0, b, dy_row, 0, shift(start, i * start_row), start_row,
                        shift(w, (first + i) * w_row + n), w_row, terms, 1, ahead, width, rate,
                    )  # fmt: skip
                    i += ahead


@helper
def column_sums(dy, dy_row, db, scratch, first_column, last_column, rows):
    """db[n] = sum_r dy[r, n], in the order of the rows, 64 columns at a time, each handed on to the update `db`."""
    for first in range(first_column, last_column, 64):
        count = min(64, last_column - first)
        for n in range(count):
            scratch[n] = real(0)
        for r in range(rows):
            row = shift(dy, r * dy_row + first)
            for n in range(count):
                scratch[n] += row[n]
        apply_update(db, scratch, first, count)
