"""Orders that are drawn: the same everywhere, whatever the sorting."""

import numpy as np
import pytest

from dlrun.data import random


@pytest.mark.parametrize("rows", [0, 1, 2, 1000])
def test_a_permutation_is_the_stable_order_of_the_raw_bits(rows):
    bits = random.philox(3, "order").random_raw(rows)
    assert np.array_equal(random.permutation(rows, 3, "order"), np.argsort(bits, kind="stable"))


def test_equal_bits_keep_the_rows_order(monkeypatch):
    class Coarse:
        def random_raw(self, rows):
            return np.arange(rows, dtype=np.uint64) % 3

    monkeypatch.setattr(random, "philox", lambda seed, purpose: Coarse())
    expected = [*range(0, 50, 3), *range(1, 50, 3), *range(2, 50, 3)]
    assert random.permutation(50, 0, "order").tolist() == expected
