"""Products of two inputs sample by sample: scalar products of vectors, and products of small matrices."""

from dlrun.kernels.lang import (
    In,
    Live,
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
    shift,
    tile_columns,
)
from dlrun.kernels.products import NO_LIMIT, tiles


@helper
def scalar_product(a, b, count):
    """Return sum_i a[i] b[i]: eight sums side by side, so that none waits for the last addition."""
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = real(0)
    done = count // 8 * 8
    for i in range(0, done, 8):
        s0 += a[i] * b[i]
        s1 += a[i + 1] * b[i + 1]
        s2 += a[i + 2] * b[i + 2]
        s3 += a[i + 3] * b[i + 3]
        s4 += a[i + 4] * b[i + 4]
        s5 += a[i + 5] * b[i + 5]
        s6 += a[i + 6] * b[i + 6]
        s7 += a[i + 7] * b[i + 7]
    for i in range(done, count):
        s0 += a[i] * b[i]
    return ((s0 + s4) + (s1 + s5)) + ((s2 + s6) + (s3 + s7))


@kernel
def scalar_products(a: In, b: In, y: Out, rows: Live, count: Size, thread: Thread, threads: Threads) -> None:
    """y[n] = sum_i a[n, i] b[n, i]. Shapes: a, b (rows, count), y (rows). Partition: samples."""
    for n in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        y[n] = scalar_product(shift(a, n * count), shift(b, n * count), count)


@kernel
def scale_rows(x: In, factors: In, y: Out, rows: Live, count: Size, thread: Thread, threads: Threads) -> None:
    """y[n, i] = factors[n] x[n, i]. Shapes: x, y (rows, count), factors (rows). Partition: samples."""
    for n in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        x_here, y_here, factor = shift(x, n * count), shift(y, n * count), factors[n]
        for i in range(count):
            y_here[i] = factor * x_here[i]


@kernel
def sample_products(
    a: In, b: In, c: Out, zeros: In, scratch: Scratch, rows: Live, a_rows: Size, b_columns: Size, depth: Size,
    a_row: Size, a_k: Size, b_k: Size, b_column: Size, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """c[n, i, j] = sum_k a[n, i, k] b[n, k, j] for each sample n, with matrices that may lie transposed.

    Shapes: a (rows, a_rows * depth) with a[i, k] at i a_row + k a_k, b (rows, depth * b_columns) with b[k, j] at
    k b_k + j b_column, c (rows, a_rows, b_columns), scratch (depth, tile_columns): panels of b, where its columns
    aren't neighbours. Partition: samples.
    """
    for n in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        a_here, b_here = shift(a, n * a_rows * depth), shift(b, n * depth * b_columns)
        c_here = shift(c, n * a_rows * b_columns)
        for first in range(0, b_columns, tile_columns):
            columns = min(tile_columns, b_columns - first)
            panel, panel_k = shift(b_here, first * b_column), b_k
            if b_column != 1:
                for k in range(depth):
                    for j in range(columns):
                        scratch[k * tile_columns + j] = panel[k * b_k + j * b_column]
                panel, panel_k = scratch, tile_columns
            tiles(
                a_here, a_row, a_k, 0, panel, panel_k, 0, zeros, 0, shift(c_here, first), b_columns, depth, 1,
                a_rows, columns, real(NO_LIMIT),
            )  # fmt: skip
