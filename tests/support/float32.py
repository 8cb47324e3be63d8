"""The float32 range, and how far from the true results functions are there."""

import math

import numpy as np

TINY = np.finfo(np.float32).tiny


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


def every_exponent():
    """A dense stride through all normal float32, both signs, and more of the range where functions bend."""
    bits = np.arange(0x00800000, 0x7F800000, 1531, dtype=np.int32)
    positive = bits.view(np.float32)
    middle = np.linspace(-110, 110, 400_001, dtype=np.float32)
    near = np.linspace(-5, 5, 400_001, dtype=np.float32)
    return np.concatenate([positive, -positive, middle, near])


def unit(true):
    """Return the distance between float32 numbers where the true value lies."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        nearest = np.abs(true.astype(np.float32))
    return np.spacing(np.maximum(np.where(np.isfinite(nearest), nearest, 0), TINY)).astype(np.float64)


def ulps(found, true):
    """Return the errors in units in the last place of the float32 next to the true value; results that round to
    subnormal numbers or to infinity may be either side."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        nearest = true.astype(np.float32)
        errors = np.abs(found.astype(np.float64) - true) / unit(true)
    errors[np.isinf(nearest) & (found == nearest)] = 0
    errors[(np.abs(true) < 2 * TINY) & (np.abs(found) < 2 * TINY)] = 0
    return errors
