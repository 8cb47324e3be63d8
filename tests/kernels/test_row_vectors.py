"""Sums and maxima of rows: their values, and the order of their additions."""

import numpy as np
import pytest

from dlrun.kernels.lang import In, Number, Out, Size, kernel, shift
from dlrun.kernels.statistics import row_dot, row_max, row_squares, row_sum
from tests.support.kernels import call_kernel

COUNTS = [*range(1, 40), 63, 64, 65, 127, 128, 1000]


@kernel
def apply_all(x: In, y: In, mean: Number, found: Out, count: Size) -> None:
    found[0] = row_sum(x, count)
    found[1] = row_max(x, count)
    found[2] = row_dot(x, y, count)
    found[3] = row_squares(x, mean, count)


@kernel
def sums_from_each(x: In, found: Out, rows: Size, count: Size) -> None:
    for i in range(rows):
        found[i] = row_sum(shift(x, i), count)


def results(x, y, mean):
    found = np.full(4, np.nan, x.dtype)
    call_kernel(apply_all, str(x.dtype), x=x, y=y, mean=mean, found=found, count=len(x))
    return found


def in_order(entries):
    """The sum in the order that dlrun.kernels.row_vectors gives, in the entries' precision."""
    partial, done = np.zeros(16, entries.dtype), len(entries) // 16 * 16
    for first in range(0, done, 16):
        partial = partial + entries[first : first + 16]
    partial = partial[:8] + partial[8:]
    partial = partial[:4] + partial[4:]
    for first in range(done, len(entries) // 4 * 4, 4):
        partial = partial + entries[first : first + 4]
    partial = partial[:2] + partial[2:]
    total = partial[0] + partial[1]
    for entry in entries[len(entries) // 4 * 4 :]:
        total = total + entry
    return total


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("count", COUNTS)
def test_values_and_order(count, precision):
    generator = np.random.default_rng(count)
    x, y = (generator.standard_normal(count).astype(precision) for _ in range(2))
    total, largest, dot, squares = results(x, y, 0.25)
    assert total == in_order(x)
    assert largest == x.max()
    wide_x, wide_y = x.astype(np.longdouble), y.astype(np.longdouble)
    bound = 4 * np.finfo(precision).eps
    assert abs(dot - wide_x @ wide_y) <= bound * (np.abs(wide_x) @ np.abs(wide_y))
    assert abs(squares - ((wide_x - 0.25) ** 2).sum()) <= bound * ((wide_x - 0.25) ** 2).sum()


def test_rows_may_begin_anywhere():
    x, found = np.arange(60, dtype=np.float32), np.zeros(20, np.float32)
    call_kernel(sums_from_each, "float32", x=x, found=found, rows=20, count=37)
    assert found.tolist() == [x[i : i + 37].sum() for i in range(20)]


@pytest.mark.parametrize("count", [1, 5, 16, 21, 70])
def test_what_isnt_finite(count):
    """A sum passes NaN and infinity on; the largest is never NaN, so that exp(x - largest) is, where x is."""
    for place in range(count):
        x = np.zeros(count, np.float32)
        x[place] = np.nan
        total, largest, dot, squares = results(x, np.ones_like(x), 0.0)
        assert np.isnan([total, dot, squares]).all()
        assert largest == (0 if count > 1 else -np.inf)
        x[place] = np.inf
        assert (results(x, np.ones_like(x), 0.0) == np.inf).all()
        x[place] = -np.inf
        assert results(x, np.ones_like(x), 0.0)[0] == -np.inf
