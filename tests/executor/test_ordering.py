"""Orders of rows by random bits, against NumPy's."""

import numpy as np
import pytest

from dlrun.data.random import permutation
from dlrun.executor.ordering import MANY_ROWS, MOST_DIGITS, order_of, shuffled


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 100, 4097, 100_000])
def test_the_order_is_that_of_a_stable_sort(rows):
    bits = np.random.default_rng(rows).integers(0, 1 << 64, rows, np.uint64)
    np.testing.assert_array_equal(order_of(bits), np.argsort(bits, kind="stable"))


@pytest.mark.parametrize("high", [2, 100, 1 << (64 - MOST_DIGITS)])
def test_equal_bits_and_few_buckets(high):
    """All in one bucket, many of them equal; and on both sides of the sign."""
    bits = np.random.default_rng(1).integers(0, high, 3_000, np.uint64)
    bits[::2] += np.uint64(1 << 63)
    bits[:3] = 0, (1 << 64) - 1, 1 << 63
    np.testing.assert_array_equal(order_of(bits), np.argsort(bits, kind="stable"))


def test_a_result_is_not_changed_by_the_next_one():
    first = shuffled(MANY_ROWS, 1, "a")
    kept = first.copy()
    assert not np.array_equal(shuffled(MANY_ROWS, 1, "b"), first)
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize("rows", [1, MANY_ROWS - 1, MANY_ROWS, 60_000])
def test_rows_are_shuffled_as_by_a_permutation(rows):
    np.testing.assert_array_equal(shuffled(rows, 3, "shuffle/5"), permutation(rows, 3, "shuffle/5"))
