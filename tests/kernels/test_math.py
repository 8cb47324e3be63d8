"""The polynomials over the whole float32 range, against NumPy in float64."""

import math

import numpy as np
import pytest

from dlrun.kernels.lang import In, Out, Size, kernel
from dlrun.kernels.math import erf, exp, expm1, log, log1p, rsqrt, sigmoid, softplus, sqrt, tanh
from tests.support.kernels import call_kernel

TINY = np.finfo(np.float32).tiny


@kernel
def apply_exp(x: In, y: Out, count: Size) -> None:
    for i in range(count):
        y[i] = exp(x[i])


@kernel
def apply_expm1(x: In, y: Out, count: Size) -> None:
    for i in range(count):
        y[i] = expm1(x[i])


@kernel
def apply_log(x: In, y: Out, count: Size) -> None:
    for i in range(count):
        y[i] = log(x[i])


@kernel
def apply_log1p(x: In, y: Out, count: Size) -> None:
    for i in range(count):
        y[i] = log1p(x[i])


@kernel
def apply_tanh(x: In, y: Out, count: Size) -> None:
    for i in range(count):
        y[i] = tanh(x[i])


@kernel
def apply_sigmoid(x: In, y: Out, count: Size) -> None:
    for i in range(count):
        y[i] = sigmoid(x[i])


@kernel
def apply_softplus(x: In, y: Out, count: Size) -> None:
    for i in range(count):
        y[i] = softplus(x[i])


@kernel
def apply_erf(x: In, y: Out, count: Size) -> None:
    for i in range(count):
        y[i] = erf(x[i])


@kernel
def apply_sqrt(x: In, y: Out, count: Size) -> None:
    for i in range(count):
        y[i] = sqrt(x[i])


@kernel
def apply_rsqrt(x: In, y: Out, count: Size) -> None:
    for i in range(count):
        y[i] = rsqrt(x[i])


def true_erf(x):
    """Abramowitz & Stegun 7.1.6 up to 3, 7.1.14 (a continued fraction) beyond: to 1e-15, without SciPy."""
    square = x * x
    total, term = np.ones_like(x), np.ones_like(x)
    for n in range(1, 60):
        term = term * 2 * np.minimum(square, 9) / (2 * n + 1)
        total += term
    fraction = np.maximum(np.abs(x), 3)
    for n in range(60, 0, -1):
        fraction = np.maximum(np.abs(x), 3) + n / 2 / fraction
    with np.errstate(under="ignore"):
        below = 2 / math.sqrt(math.pi) * x * np.exp(-square) * total
        beyond = np.sign(x) * (1 - np.exp(-square) / math.sqrt(math.pi) / fraction)
    return np.where(np.abs(x) < 3, below, beyond)


FUNCTIONS = {
    "exp": (apply_exp, np.exp, 2, {np.inf: np.inf, -np.inf: 0, 0: 1}),
    "expm1": (apply_expm1, np.expm1, 3, {np.inf: np.inf, -np.inf: -1, 0: 0}),
    "log": (apply_log, np.log, 2, {np.inf: np.inf, 0: -np.inf, 1: 0, -1: np.nan, -np.inf: np.nan}),
    "log1p": (apply_log1p, np.log1p, 4, {np.inf: np.inf, 0: 0, -1: -np.inf, -2: np.nan, -np.inf: np.nan}),
    "tanh": (apply_tanh, np.tanh, 4, {np.inf: 1, -np.inf: -1, 0: 0}),
    "sigmoid": (apply_sigmoid, lambda x: 1 / (1 + np.exp(-x)), 4, {np.inf: 1, -np.inf: 0, 0: 0.5}),
    "softplus": (apply_softplus, lambda x: np.logaddexp(0, x), 4, {np.inf: np.inf, -np.inf: 0}),
    "erf": (apply_erf, true_erf, 3, {np.inf: 1, -np.inf: -1, 0: 0}),
    "sqrt": (apply_sqrt, np.sqrt, 0.5, {np.inf: np.inf, 0: 0, -1: np.nan}),
    "rsqrt": (apply_rsqrt, lambda x: 1 / np.sqrt(x), 1.5, {np.inf: 0, 0: np.inf, -1: np.nan}),
}


def every_exponent():
    """A dense stride through all normal float32, both signs, and more of the range where functions bend."""
    bits = np.arange(0x00800000, 0x7F800000, 1531, dtype=np.int32)
    positive = bits.view(np.float32)
    middle = np.linspace(-110, 110, 400_001, dtype=np.float32)
    near = np.linspace(-5, 5, 400_001, dtype=np.float32)
    return np.concatenate([positive, -positive, middle, near])


def ulps(found, true):
    """Return the errors in units in the last place of the float32 next to the true value; results that round to
    subnormal numbers or to infinity may be either side."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        nearest = true.astype(np.float32)
        unit = np.spacing(np.maximum(np.abs(np.where(np.isfinite(nearest), nearest, 0)), TINY)).astype(np.float64)
        errors = np.abs(found.astype(np.float64) - true) / unit
    errors[np.isinf(nearest) & (found == nearest)] = 0
    errors[(np.abs(true) < 2 * TINY) & (np.abs(found) < 2 * TINY)] = 0
    return errors


@pytest.mark.parametrize("name", FUNCTIONS)
def test_float32_stays_within_its_bound_over_the_whole_range(name):
    function, reference, bound, _ = FUNCTIONS[name]
    x = every_exponent()
    x = x[x > 0] if name in ("log", "sqrt", "rsqrt") else x[x > -1] if name == "log1p" else x
    y = np.full_like(x, np.nan)
    call_kernel(function, "float32", x=x, y=y, count=len(x))
    with np.errstate(over="ignore", under="ignore"):
        errors = ulps(y, reference(x.astype(np.float64)))
    worst = int(np.argmax(errors))
    assert not np.isnan(y).any()
    assert errors[worst] <= bound, (float(errors[worst]), float(x[worst]), float(y[worst]))


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_limits_and_nan(name, precision):
    function, _, _, limits = FUNCTIONS[name]
    bits = np.array([0x7FC00000, 0x7FC00001, 0x7FFFFFFF, -1], np.int32)  # NaN of several kinds
    x = np.concatenate([bits.view(np.float32).astype(precision), np.array([*limits], precision)])
    y = np.zeros_like(x)
    call_kernel(function, precision, x=x, y=y, count=len(x))
    np.testing.assert_array_equal(y, np.array([np.nan] * len(bits) + [*limits.values()], precision))


@pytest.mark.parametrize(("end", "beyond"), [(-87.336544, 0), (88.722839, np.inf)])
def test_exp_at_its_ends(end, beyond):
    """Zero below the smallest normal number, infinity above the largest: never a subnormal one, never NaN."""
    around = np.float32(end).view(np.int32) + np.arange(-2000, 2000, dtype=np.int32)
    x = around.view(np.float32)
    y = np.zeros_like(x)
    call_kernel(apply_exp, "float32", x=x, y=y, count=len(x))
    normal = (y >= TINY) & np.isfinite(y)
    assert set(y[~normal]) == {beyond}
    with np.errstate(over="ignore"):
        true = np.exp(x.astype(np.float64)).astype(np.float32)
    wrong = normal != ((true >= TINY) & np.isfinite(true))
    assert np.abs(x[wrong] - end).max(initial=0) <= 2 * np.spacing(np.float32(abs(end)))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_float64_is_the_c_library(name):
    function, reference, _, _ = FUNCTIONS[name]
    x = np.random.default_rng(5).uniform(1e-3, 5, 1000)
    y = np.zeros_like(x)
    call_kernel(function, "float64", x=x, y=y, count=len(x))
    np.testing.assert_allclose(y, reference(x), rtol=4e-15)
