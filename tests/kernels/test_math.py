"""The polynomials over the whole float32 range, against NumPy in float64."""

import numpy as np
import pytest

from dlrun.kernels.lang import In, Out, Size, kernel
from dlrun.kernels.math import erf, exp, expm1, log, log1p, rsqrt, sigmoid, softplus, sqrt, tanh
from tests.support.float32 import TINY, every_exponent, true_erf, ulps
from tests.support.kernels import call_kernel


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
