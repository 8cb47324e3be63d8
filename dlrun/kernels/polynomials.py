"""The float32 polynomials behind dlrun.kernels.math. Imported only when a kernel is compiled.

Coefficients: S. L. Moshier, Cephes mathematical library (single precision: expf, logf, tanhf).
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

from numba import float32, int32, njit

from dlrun.kernels.intrinsics import _from_bits, _select, _to_bits
from dlrun.kernels.target import Target

ROUND = 12582912.0
"""1.5 * 2**23: adding and subtracting it rounds a small float32 to a whole number, which its low bits then hold."""
_compiled = njit(_nrt=False, error_model="numpy", fastmath={"contract", "nsz"})


@_compiled  # type: ignore[untyped-decorator]
def _power_of_two(n):  # type: ignore[no-untyped-def]
    return _from_bits(int32(int32(n + int32(127)) << int32(23)))


@_compiled  # type: ignore[untyped-decorator]
def _exp(x):  # type: ignore[no-untyped-def]
    bounded = _select(x > float32(89.0), float32(89.0), _select(x < float32(-104.0), float32(-104.0), x))
    shifted = bounded * float32(1.44269504088896341) + float32(ROUND)
    n = int32(_to_bits(shifted) - int32(0x4B400000))
    whole = shifted - float32(ROUND)
    r = bounded - whole * float32(0.693359375)
    r = r - whole * float32(-2.12194440e-4)
    p = float32(1.9875691500e-4)
    p = p * r + float32(1.3981999507e-3)
    p = p * r + float32(8.3334519073e-3)
    p = p * r + float32(4.1665795894e-2)
    p = p * r + float32(1.6666665459e-1)
    p = p * r + float32(5.0000001201e-1)
    p = p * (r * r) + r + float32(1)
    half = int32(n >> int32(1))
    return p * _power_of_two(half) * _power_of_two(int32(n - half))


@_compiled  # type: ignore[untyped-decorator]
def _log(x):  # type: ignore[no-untyped-def]
    bits = _to_bits(x)
    e = float32((bits >> int32(23)) - int32(126))
    m = _from_bits(int32((bits & int32(0x7FFFFF)) | int32(0x3F000000)))
    small = m < float32(0.707106781186547524)
    e = _select(small, e - float32(1), e)
    m = _select(small, m + m, m) - float32(1)
    z = m * m
    p = float32(7.0376836292e-2)
    p = p * m + float32(-1.1514610310e-1)
    p = p * m + float32(1.1676998740e-1)
    p = p * m + float32(-1.2420140846e-1)
    p = p * m + float32(1.4249322787e-1)
    p = p * m + float32(-1.6668057665e-1)
    p = p * m + float32(2.0000714765e-1)
    p = p * m + float32(-2.4999993993e-1)
    p = p * m + float32(3.3333331174e-1)
    y = m * (z * p) + e * float32(-2.12194440e-4) - float32(0.5) * z
    y = m + y + e * float32(0.693359375)
    return _select(x > float32(0), y, _select(x == float32(0), float32(-math.inf), float32(math.nan)))


@_compiled  # type: ignore[untyped-decorator]
def _tanh(x):  # type: ignore[no-untyped-def]
    bounded = _select(x > float32(9.1), float32(9.1), _select(x < float32(-9.1), float32(-9.1), x))
    outer = float32(1) - float32(2) / (_exp(bounded + bounded) + float32(1))
    z = x * x
    p = float32(-5.70498872745e-3)
    p = p * z + float32(2.06390887954e-2)
    p = p * z + float32(-5.37397155531e-2)
    p = p * z + float32(1.33314422036e-1)
    p = p * z + float32(-3.33332819422e-1)
    inner = p * z * x + x
    return _select(_select(x < float32(0), -x, x) < float32(0.625), inner, outer)


@_compiled  # type: ignore[untyped-decorator]
def _sigmoid(x):  # type: ignore[no-untyped-def]
    return float32(1) / (float32(1) + _exp(-x))


@_compiled  # type: ignore[untyped-decorator]
def _exp64(x):  # type: ignore[no-untyped-def]
    return math.exp(x)


@_compiled  # type: ignore[untyped-decorator]
def _log64(x):  # type: ignore[no-untyped-def]
    return math.log(x)


@_compiled  # type: ignore[untyped-decorator]
def _tanh64(x):  # type: ignore[no-untyped-def]
    return math.tanh(x)


@_compiled  # type: ignore[untyped-decorator]
def _sigmoid64(x):  # type: ignore[no-untyped-def]
    return 1 / (1 + math.exp(-x))


@cache
def exp(target: Target) -> Any:
    """Return exp."""
    return _exp if target.precision == "float32" else _exp64


@cache
def log(target: Target) -> Any:
    """Return the natural logarithm."""
    return _log if target.precision == "float32" else _log64


@cache
def tanh(target: Target) -> Any:
    """Return tanh."""
    return _tanh if target.precision == "float32" else _tanh64


@cache
def sigmoid(target: Target) -> Any:
    """Return the logistic function."""
    return _sigmoid if target.precision == "float32" else _sigmoid64
