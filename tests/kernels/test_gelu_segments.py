"""GELU and its slope over the whole float32 range, and on vectors of every width."""

import math

import numpy as np
import pytest

from dlrun.activations.gelu import gelu_backward, gelu_forward
from dlrun.kernels.target import LANES
from tests.support.float32 import every_exponent, true_erf, unit
from tests.support.kernels import call_kernel

COUNTS = 1, 3, 4, 7, 8, 15, 16, 17, 33, 100


def gelu(x):
    y = np.full_like(x, np.nan)
    call_kernel(gelu_forward, str(x.dtype), x=x, y=y, approximate=0.0, rows=1, size=len(x))
    return y


def gradient(x, dy):
    dx = np.full_like(x, np.nan)
    call_kernel(gelu_backward, str(x.dtype), saved=x, dy=dy, dx=dx, approximate=0.0, rows=1, size=len(x))
    return dx


def true_parts(x):
    """Return P(|X| <= x) / 2 and the slope's part of the same sign, in float64."""
    x = np.abs(x.astype(np.float64))
    with np.errstate(under="ignore", over="ignore"):
        probability = true_erf(x / math.sqrt(2)) / 2
        return probability, probability + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def some(count=400_001):
    return np.random.default_rng(3).normal(0, 3, count).astype(np.float32)


def test_the_probability_is_within_3_ulp_of_its_part():
    x = every_exponent()
    part, wide = true_parts(x)[0], x.astype(np.float64)
    true = wide / 2 + np.abs(wide) * part
    bound = np.abs(wide) * 3 * unit(part) + unit(true) + unit(wide / 2) / 2
    errors = np.abs(gelu(x).astype(np.float64) - true)
    worst = int(np.argmax(errors / bound))
    assert errors[worst] <= bound[worst], float(x[worst])


def test_the_slope_is_within_4_ulp_of_its_part():
    x = every_exponent()
    part = true_parts(x)[1]
    true = 0.5 + np.sign(x) * part
    bound = 4 * unit(part) + unit(true)
    errors = np.abs(gradient(x, np.ones_like(x)).astype(np.float64) - true)
    worst = int(np.argmax(errors / bound))
    assert errors[worst] <= bound[worst], float(x[worst])


def test_beyond_the_last_segment_it_is_x_or_nothing():
    x = np.array([6, 7.5, 1e6, 3e38, np.inf], np.float32)
    np.testing.assert_array_equal(gelu(x), x)
    np.testing.assert_array_equal(gelu(-x[:-1]), 0)
    np.testing.assert_array_equal(gradient(x, np.full_like(x, 3)), 3)
    np.testing.assert_array_equal(gradient(-x, np.full_like(x, 3)), 0)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_nan_stays(precision):
    x = np.array([np.nan] * 20, precision)
    assert np.isnan(gelu(x)).all()
    assert np.isnan(gradient(x, np.ones_like(x))).all()
    assert np.isnan(gradient(np.ones_like(x), x)).all()


def test_no_negative_number_becomes_positive():
    x = -np.abs(np.linspace(0.01, 8, 1_000_001, dtype=np.float32))
    assert (gelu(x) <= 0).all()
    assert (gelu(-x) <= -x).all()


@pytest.mark.parametrize("count", LANES)
def test_the_same_bits_on_vectors_of_every_width(count, lanes):
    x, dy = some(), some()[::-1].copy()
    expected = gelu(x), gradient(x, dy)
    lanes(count)
    np.testing.assert_array_equal(gelu(x), expected[0])
    np.testing.assert_array_equal(gradient(x, dy), expected[1])


@pytest.mark.parametrize("width", LANES)
def test_rows_of_any_length(width, lanes):
    x, dy = some(), some()[::-1].copy()
    expected = gelu(x), gradient(x, dy)
    lanes(width)
    for count in COUNTS:
        found = np.full(count + 16, np.nan, np.float32)
        call_kernel(gelu_forward, x=x, y=found, approximate=0.0, rows=1, size=count)
        np.testing.assert_array_equal(found[:count], expected[0][:count])
        assert np.isnan(found[count:]).all()
        np.testing.assert_array_equal(gradient(x[:count].copy(), dy[:count].copy()), expected[1][:count])


def test_in_place():
    x, dy = some(1003), some(2006)[1003:].copy()
    expected = gelu(x), gradient(x, dy)
    call_kernel(gelu_backward, saved=x, dy=dy, dx=dy, approximate=0.0, rows=1, size=len(x))
    np.testing.assert_array_equal(dy, expected[1])
    call_kernel(gelu_forward, x=x, y=x, approximate=0.0, rows=1, size=len(x))
    np.testing.assert_array_equal(x, expected[0])
