"""Transposition of matrices by blocks of 8 x 8, in vectors.

    y[c, r] = scale * x[r, c]

LLVM copies such entries one by one: a load and a store for each, where a block takes 8 loads, 24 shuffles and 8 stores.
"""

from dlrun.kernels.lang import Primitive, helper, shift

transpose_block = Primitive("dlrun.kernels.transposed_block:transpose_block")
"""transpose_block(x, x_row, y, y_row, scale): the transposition of 8 x 8 entries."""
SIDE = 8


@helper
def transpose(x, x_row, y, y_row, rows, columns, scale):
    """y[c, r] = scale * x[r, c], r < rows, c < columns; rows of x are x_row entries apart, those of y y_row."""
    whole_rows, whole_columns = rows // SIDE * SIDE, columns // SIDE * SIDE
    for r in range(0, whole_rows, SIDE):
        for c in range(0, whole_columns, SIDE):
            transpose_block(shift(x, r * x_row + c), x_row, shift(y, c * y_row + r), y_row, scale)
    for r in range(rows):
        here, out = shift(x, r * x_row), shift(y, r)
        for c in range(whole_columns if r < whole_rows else 0, columns):
            out[c * y_row] = scale * here[c]
