"""Philox against the known answers of its authors, and its numbers against their distributions."""

import math

import numpy as np
import pytest

from dlrun.kernels.lang import Out, Scratch, Size, kernel, shift
from dlrun.kernels.math import normal_quantile
from dlrun.kernels.philox import uniform, uniform_block
from tests.support.kernels import call_kernel

KEY = 0x1234_5678_9ABC_DEF


@kernel
def fill_uniform(u: Out, key: Size, step: Size, first_row: Size, rows: Size, first_block: Size, blocks: Size) -> None:
    for r in range(rows):
        for b in range(blocks):
            uniform_block(shift(u, (r * blocks + b) * 32), key, step, first_row + r, first_block + b)


@kernel
def fill_one_by_one(u: Out, key: Size, step: Size, row: Size, size: Size, scratch: Scratch) -> None:
    for i in range(size):
        u[i] = uniform(scratch, key, step, row, i)


@kernel
def fill_normal(u: Out, size: Size) -> None:
    for i in range(size):
        u[i] = normal_quantile(u[i])


def draw(key=KEY, step=0, first_row=0, rows=1, first_block=0, blocks=1, precision="float32"):
    u = np.full((rows, blocks * 32), np.nan, precision)
    places = {"first_row": first_row, "rows": rows, "first_block": first_block, "blocks": blocks}
    call_kernel(fill_uniform, precision, u=u, key=key, step=step, **places)
    return u


def words(key, a, row, step):
    """The four words of one counter, read off the 32 bits of the float64 numbers."""
    u = draw(key, step, row, 1, a // 8, 1, "float64")
    return [int(v) for v in u.reshape(4, 8)[:, a % 8] * 2.0**32]


def signed(value):
    return int(np.uint64(value).astype(np.int64))


# Random123 1.14, tests/kat_vectors: philox4x32 10; counter, key, result.
def test_known_answers_of_the_authors():
    assert words(0, 0, 0, 0) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    ones = 0xFFFFFFFF
    everything = signed(0xFFFFFFFF_FFFFFFFF)
    assert words(everything, ones, ones, everything) == [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]
    key = signed(0x299F31D0_A4093822)
    step = signed(0x03707344_13198A2E)
    assert words(key, 0x243F6A88, 0x85A308D3, step) == [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]


def test_float32_is_float64_cut_to_24_bits():
    single, double = draw(rows=3, blocks=5), draw(rows=3, blocks=5, precision="float64")
    np.testing.assert_array_equal(single, np.floor(double * 2**24) / 2**24)


def test_entries_one_by_one_are_those_of_the_blocks():
    u = np.zeros(70, np.float32)
    call_kernel(fill_one_by_one, u=u, key=KEY, step=9, row=4, size=70, scratch=np.zeros(32, np.float32))
    np.testing.assert_array_equal(u, draw(step=9, first_row=4, blocks=3)[0, :70])


def test_uniform_numbers_are_uniform_and_independent():
    u = draw(step=3, rows=64, blocks=128)
    assert u.min() >= 0
    assert u.max() < 1
    counts = np.histogram(u, 64, (0, 1))[0]
    expected = u.size / 64
    assert ((counts - expected) ** 2 / expected).sum() < 63 + 5 * math.sqrt(2 * 63)
    centred = u - 0.5
    for a, b in [(centred[:, 1:], centred[:, :-1]), (centred[1:], centred[:-1]), (centred[:, 8:], centred[:, :-8])]:
        assert abs((a * b).mean() * 12) < 5 / math.sqrt(a.size)


OTHERS = [{"key": KEY + 1}, {"step": 1}, {"step": 2**32}, {"first_row": 64}, {"first_block": 64}]


@pytest.mark.parametrize("other", OTHERS)
def test_another_key_step_row_or_block_gives_other_numbers(other):
    u, v = draw(rows=64, blocks=64), draw(rows=64, blocks=64, **other)
    assert np.mean(u == v) < 1e-3
    assert abs(np.corrcoef(u.ravel(), v.ravel())[0, 1]) < 5 / math.sqrt(u.size)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_normal_numbers_are_normal(precision):
    z = draw(rows=256, blocks=64, precision=precision)
    call_kernel(fill_normal, precision, u=z, size=z.size)
    n = z.size
    assert np.isfinite(z).all()
    assert abs(z.mean()) < 5 / math.sqrt(n)
    assert abs(z.var() - 1) < 5 * math.sqrt(2 / n)
    assert abs((z**4).mean() - 3) < 5 * math.sqrt(96 / n)


def test_normal_numbers_are_the_quantiles():
    u = np.array([0, 2.0**-24, 1e-4, 0.01, 0.25, 0.5, 0.8, 0.99, 0.9999, 1 - 2.0**-24], np.float64)
    z = u.copy()
    call_kernel(fill_normal, "float64", u=z, size=len(z))
    back = np.array([0.5 * math.erfc(-value / math.sqrt(2)) for value in z])
    np.testing.assert_allclose(back, u + 2.0**-25, rtol=3e-5)
    np.testing.assert_allclose(1 - back, 1 - u - 2.0**-25, rtol=3e-5)
