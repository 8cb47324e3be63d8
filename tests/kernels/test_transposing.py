"""Transpositions of any size, of parts of matrices."""

import numpy as np
import pytest

from dlrun.kernels.lang import In, InOut, Number, Size, kernel, shift
from dlrun.kernels.transposing import SIDE, transpose
from tests.support.kernels import call_kernel

SIZES = [(1, 1), (1, 40), (40, 1), (7, 9), (8, 8), (8, 24), (15, 16), (17, 33), (64, 32)]


@kernel
def apply_transpose(
    x: In, x_row: Size, y: InOut, y_row: Size, first: Size, rows: Size, columns: Size, scale: Number
) -> None:
    transpose(shift(x, first), x_row, shift(y, first), y_row, rows, columns, scale)


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize(("rows", "columns"), SIZES)
@pytest.mark.parametrize("scale", [1.0, 0.3])
def test_any_part_of_a_matrix(rows, columns, precision, scale):
    """Rows that are longer than what is taken of them, which begin anywhere; all else stays as it was."""
    first, generator = 3, np.random.default_rng(rows * columns)
    x = generator.standard_normal((rows + 1, columns + 5)).astype(precision)
    y = generator.standard_normal((columns + 1, rows + 6)).astype(precision)
    expected, before = y.copy(), x.copy()
    expected.reshape(-1)[first:][: columns * (rows + 6)].reshape(columns, rows + 6)[:, :rows] = x.reshape(-1)[first:][
        : rows * (columns + 5)
    ].reshape(rows, columns + 5)[:, :columns].T * x.dtype.type(scale)
    call_kernel(
        apply_transpose, precision, x=x, x_row=columns + 5, y=y, y_row=rows + 6, first=first, rows=rows,
        columns=columns, scale=scale,
    )  # fmt: skip
    assert np.array_equal(y, expected)
    assert np.array_equal(x, before)


def test_sizes_hold_blocks_and_what_is_left():
    assert any(rows >= SIDE and rows % SIDE for rows, _ in SIZES)
    assert any(columns >= SIDE and columns % SIDE for _, columns in SIZES)
