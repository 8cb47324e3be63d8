"""The float32 polynomials behind dlrun.kernels.math. Imported only when a kernel is compiled.

Coefficients: S. L. Moshier, Cephes mathematical library (single precision: expf, logf, tanhf); quantile: M. Giles;
erf: an own minimax fit to -log(erfc |x|) = |x| Q(|x|), 0.6 ulp of erf before rounding.
All are forced inline: a loop with a call in it isn't vectorised.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

from numba import float32, float64, int32

from dlrun.kernels.intrinsics import _from_bits, _select, _to_bits
from dlrun.kernels.pipeline import linked
from dlrun.kernels.target import Target

ROUND = 12582912.0
"""1.5 * 2**23: adding and subtracting it rounds a small float32 to a whole number, which its low bits then hold."""
_compiled = linked(fastmath={"contract", "nsz"}, forceinline=True)


@_compiled
def _reduce(x):
    """Return p and n with exp(x) = (1 + p) 2**n, the latter as a small float32's lowest bits; for |x| < 2**21."""
    shifted = x * float32(1.44269504088896341) + float32(ROUND)
    whole = shifted - float32(ROUND)
    r = x - whole * float32(0.693359375)
    r = r - whole * float32(-2.12194440e-4)
    p = float32(1.9875691500e-4)
    p = p * r + float32(1.3981999507e-3)
    p = p * r + float32(8.3334519073e-3)
    p = p * r + float32(4.1665795894e-2)
    p = p * r + float32(1.6666665459e-1)
    p = p * r + float32(5.0000001201e-1)
    return p * (r * r) + r, _to_bits(shifted)


@_compiled
def _exp_within(x):
    """exp(x) for -87.33654 <= x <= 88.72283, whose results are neither subnormal nor infinite.

    n is added to the exponent where it stands: of its bits, those beyond it are shifted out. Not for NaN, whose lowest
    bits may be anything.
    """
    p, n = _reduce(x)
    return _from_bits(int32(_to_bits(p + float32(1)) + int32(n << int32(23))))


@_compiled
def _exp(x):
    y = _select(x > float32(88.72283), float32(math.inf), _exp_within(x))
    return _select(x >= float32(-87.33654), y, _select(x < float32(0), float32(0), x))


@_compiled
def _expm1(x):
    """Powers of two come by halves, so that neither overflows alone."""
    bounded = _select(x > float32(89.0), float32(89.0), _select(x < float32(-104.0), float32(-104.0), x))
    p, shifted = _reduce(bounded)
    n = int32(shifted - int32(0x4B400000))
    half = int32(n >> int32(1))
    h, g = _power_of_two(half), _power_of_two(int32(n - half))
    return (p * h + (h - float32(1) / g)) * g


@_compiled
def _power_of_two(n):
    return _from_bits(int32(int32(n + int32(127)) << int32(23)))


@_compiled
def _log(x):
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
    y = _select(x < float32(math.inf), y, x)
    return _select(x > float32(0), y, _select(x == float32(0), float32(-math.inf), float32(math.nan)))


@_compiled
def _log1p(x):
    u = float32(1) + x
    rest = (x - (u - float32(1))) / u
    ordinary = (x > float32(-1)) & (x < float32(math.inf))
    return _log(u) + _select(ordinary, rest, float32(0))


@_compiled
def _tanh(x):
    bounded = _select(x > float32(9.1), float32(9.1), _select(x < float32(-9.1), float32(-9.1), x))
    outer = float32(1) - float32(2) / (_exp_within(bounded + bounded) + float32(1))
    z = x * x
    p = float32(-5.70498872745e-3)
    p = p * z + float32(2.06390887954e-2)
    p = p * z + float32(-5.37397155531e-2)
    p = p * z + float32(1.33314422036e-1)
    p = p * z + float32(-3.33332819422e-1)
    inner = p * z * x + x
    return _select(_select(x < float32(0), -x, x) >= float32(0.625), outer, inner)


@_compiled
def _sigmoid(x):
    return float32(1) / (float32(1) + _exp(-x))


@_compiled
def _softplus(x):
    away = _select(x < float32(0), x, -x)
    return _select(x > float32(0), x, float32(0)) + _log1p(_exp(away))


@_compiled
def _erf(x):
    """1 - exp(-w), where w = -log(erfc |x|) = |x| Q(|x|). Of exp(-w) = (1 + p) s, 1 - s is exact, and 0 for small w.

    There is no other polynomial for small x: two of them and a choice take a third more operations.
    """
    t = _select(x < float32(0), -x, x)
    t = _select(t > float32(4), float32(4), t)
    q = float32(4.0705532359e-05)
    q = q * t + float32(-3.8098367544e-04)
    q = q * t + float32(1.2517003543e-03)
    q = q * t + float32(2.0577802802e-04)
    q = q * t + float32(-1.9321758769e-02)
    q = q * t + float32(1.0281442493e-01)
    q = q * t + float32(6.3661649488e-01)
    q = q * t + float32(1.1283792071)
    p, n = _reduce(-t * q)
    s = _from_bits(int32(int32(0x3F800000) + int32(n << int32(23))))
    y = (float32(1) - s) - p * s
    return _select(x < float32(0), -y, y)


@_compiled
def _sqrt(x):
    return float32(math.sqrt(x))


@_compiled
def _exp64(x):
    return math.exp(x)


@_compiled
def _expm164(x):
    return math.expm1(x)


@_compiled
def _log64(x):
    return math.log(x)


@_compiled
def _log1p64(x):
    return math.log1p(x)


@_compiled
def _tanh64(x):
    return math.tanh(x)


@_compiled
def _erf64(x):
    return math.erf(x)


@_compiled
def _sqrt64(x):
    return math.sqrt(x)


@_compiled
def _sigmoid64(x):
    return 1 / (1 + math.exp(-x))


@_compiled
def _softplus64(x):
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def _make_normal_quantile(real: Any, log: Any, sqrt: Any) -> Any:
    @_compiled
    def normal_quantile(u):
        x = real(2) * u - real(1) + real(2.0**-24)
        w = -log((real(1) - x) * (real(1) + x))
        near, far = w - real(2.5), sqrt(w) - real(3)
        p = real(2.81022636e-08)
        p = p * near + real(3.43273939e-07)
        p = p * near + real(-3.5233877e-06)
        p = p * near + real(-4.39150654e-06)
        p = p * near + real(0.00021858087)
        p = p * near + real(-0.00125372503)
        p = p * near + real(-0.00417768164)
        p = p * near + real(0.246640727)
        p = p * near + real(1.50140941)
        q = real(-0.000200214257)
        q = q * far + real(0.000100950558)
        q = q * far + real(0.00134934322)
        q = q * far + real(-0.00367342844)
        q = q * far + real(0.00573950773)
        q = q * far + real(-0.0076224613)
        q = q * far + real(0.00943887047)
        q = q * far + real(1.00167406)
        q = q * far + real(2.83297682)
        return real(math.sqrt(2)) * x * _select(w < real(5), p, q)

    return normal_quantile


@cache
def exp(target: Target) -> Any:
    """Return exp."""
    return _exp if target.precision == "float32" else _exp64


@cache
def expm1(target: Target) -> Any:
    """Return exp(x) - 1."""
    return _expm1 if target.precision == "float32" else _expm164


@cache
def log(target: Target) -> Any:
    """Return the natural logarithm."""
    return _log if target.precision == "float32" else _log64


@cache
def log1p(target: Target) -> Any:
    """Return log(1 + x)."""
    return _log1p if target.precision == "float32" else _log1p64


@cache
def tanh(target: Target) -> Any:
    """Return tanh."""
    return _tanh if target.precision == "float32" else _tanh64


@cache
def erf(target: Target) -> Any:
    """Return the error function."""
    return _erf if target.precision == "float32" else _erf64


@cache
def sqrt(target: Target) -> Any:
    """Return the square root."""
    return _sqrt if target.precision == "float32" else _sqrt64


@cache
def sigmoid(target: Target) -> Any:
    """Return the logistic function."""
    return _sigmoid if target.precision == "float32" else _sigmoid64


@cache
def softplus(target: Target) -> Any:
    """Return log(1 + exp(x))."""
    return _softplus if target.precision == "float32" else _softplus64


@cache
def normal_quantile(target: Target) -> Any:
    """Return the standard normal distribution's quantile function."""
    if target.precision == "float32":
        return _make_normal_quantile(float32, _log, _sqrt)
    return _make_normal_quantile(float64, _log64, _sqrt64)
