"""The Gaussian error linear unit."""

from typing import ClassVar, Literal

from pydantic import Field

from dlrun.activations.base import Activation
from dlrun.kernels.entries import get, put
from dlrun.kernels.lang import (
    In,
    Live,
    Number,
    Out,
    Primitive,
    Size,
    Thread,
    Threads,
    first_of,
    helper,
    kernel,
    last_of,
    real,
    shift,
)
from dlrun.kernels.math import tanh

gelu_entries = Primitive("dlrun.kernels.gelu_segments:gelu_entries", by_lanes=True)
"""gelu_entries(x, y, count): y[i] = x[i] P(x[i]), which may be in place."""
gelu_gradient_entries = Primitive("dlrun.kernels.gelu_segments:gelu_gradient_entries", by_lanes=True)
"""gelu_gradient_entries(x, dy, dx, count): dx[i] = dy[i] (P(x[i]) + x[i] P'(x[i])), which may be in place."""


@helper
def inner_slope(x):  # type: ignore[no-untyped-def]
    """Return the argument u = sqrt(2 / pi) (x + 0.044715 x³) of the approximation's tanh, over x."""
    return real(0.7978845608028654) * (real(1) + real(0.044715) * x * x)


@kernel
def gelu_forward(x: In, y: Out, approximate: Number, rows: Live, size: Size, thread: Thread, threads: Threads) -> None:
    """y = x (1 + erf(x / sqrt 2)) / 2, or x (1 + tanh u) / 2. Partition: samples."""
    first, last = first_of(rows, thread, threads) * size, last_of(rows, thread, threads) * size
    if approximate > real(0):
        for i in range(first, last):
            v = get(x, i)
            put(y, i, v * (real(0.5) + real(0.5) * tanh(v * inner_slope(v))))
    else:
        gelu_entries(shift(x, first), shift(y, first), last - first)


@kernel
def gelu_backward(
    saved: In, dy: In, dx: Out, approximate: Number, rows: Live, size: Size, thread: Thread, threads: Threads
) -> None:
    """dx = dy (P + x P'), where P = (1 + erf(x / sqrt 2)) / 2 and P' = exp(-x² / 2) / sqrt(2 pi).

    The approximation's P = (1 + tanh u) / 2 has P' = (1 - tanh² u) u' / 2. Saves: x. Partition: samples.
    """
    first, last = first_of(rows, thread, threads) * size, last_of(rows, thread, threads) * size
    one, half = real(1), real(0.5)
    if approximate > real(0):
        for i in range(first, last):
            v = get(saved, i)
            t = tanh(v * inner_slope(v))
            slope = real(0.7978845608028654) * (one + real(0.134145) * v * v)
            put(dx, i, get(dy, i) * (half + half * t + half * v * (one - t * t) * slope))
    else:
        gelu_gradient_entries(shift(saved, first), shift(dy, first), shift(dx, first), last - first)


class Gelu(Activation):
    """x times the standard normal distribution's P(X <= x): D. Hendrycks & K. Gimpel (2016)."""

    type: Literal["gelu"] = "gelu"
    approximate: bool = Field(default=False, description="Whether P is approximated by a tanh.")

    forward = gelu_forward
    backward = gelu_backward
    saves: ClassVar[str] = "input"
    parameters: ClassVar[tuple[str, ...]] = ("approximate",)
