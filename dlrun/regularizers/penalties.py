"""Penalties on the size of weights: l1, l2, and both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from dlrun.kernels.lang import Count, Gradient, In, Number, OutDouble, Start, kernel, real, select, shift
from dlrun.kernels.updates import BLOCK
from dlrun.plan import Step
from dlrun.regularizers.base import Regularizer

if TYPE_CHECKING:
    from dlrun.plan import Buffer


class NormPenalty(Regularizer):
    """Adds l1 * sum |w| + l2 * sum w² to the loss."""

    @property
    def factors(self) -> dict[str, float]:
        """The factors l1 and l2."""
        raise TypeError(f"{type(self).__name__} has no factors")

    def step(self, weights: Buffer) -> Step:
        """Return the step that adds l1 * sign(w) + 2 * l2 * w to the gradient."""
        return Step(add_penalty_gradient, {"w": weights, **self.factors})

    def penalty(self, sums: Buffer) -> Step:
        """Return the step that sums the penalty over a block of the weights."""
        return Step(sum_penalty, {"sums": sums, **self.factors})


class L1(NormPenalty):
    """The sum of the weights' absolute values, which draws them to exactly 0: R. Tibshirani (1996)."""

    type: Literal["l1"] = "l1"
    l1: float = Field(default=0.01, ge=0)
    """What the sum is multiplied by."""

    @property
    def factors(self) -> dict[str, float]:
        """The factor of |w|."""
        return {"l1": self.l1, "l2": 0.0}


class L2(NormPenalty):
    """The sum of the weights' squares: A. E. Hoerl & R. W. Kennard (1970)."""

    type: Literal["l2"] = "l2"
    l2: float = Field(default=0.01, ge=0)
    """What the sum is multiplied by."""

    @property
    def factors(self) -> dict[str, float]:
        """The factor of w²."""
        return {"l1": 0.0, "l2": self.l2}


class L1L2(NormPenalty):
    """Both penalties: H. Zou & T. Hastie (2005)."""

    type: Literal["l1_l2"] = "l1_l2"
    l1: float = Field(default=0.01, ge=0)
    """What the sum of absolute values is multiplied by."""
    l2: float = Field(default=0.01, ge=0)
    """What the sum of squares is multiplied by."""

    @property
    def factors(self) -> dict[str, float]:
        """Both factors."""
        return {"l1": self.l1, "l2": self.l2}


@kernel
def add_penalty_gradient(w: In, l1: Number, l2: Number, gradient: Gradient, start: Start, count: Count) -> None:
    """gradient[i] += l1 * sign(w) + 2 * l2 * w, for w = w[start + i]; the sign of 0 is 0."""
    here, zero, twice = shift(w, start), real(0), real(2) * l2
    for i in range(count):
        v = here[i]
        slope = select(v > zero, l1, select(v < zero, -l1, zero))
        gradient[i] += slope + twice * v


@kernel
def sum_penalty(sums: OutDouble, l1: Number, l2: Number, gradient: Gradient, start: Start, count: Count) -> None:
    """sums[start // BLOCK] = l1 * sum |w| + l2 * sum w², in float64; `gradient` points to a block of the weights.

    Four interleaved sums of each: a single one waits for each add, a nanosecond a weight.
    """
    absolute_a, absolute_b, absolute_c, absolute_d = 0.0, 0.0, 0.0, 0.0
    squares_a, squares_b, squares_c, squares_d = 0.0, 0.0, 0.0, 0.0
    whole = count - count % 4
    for i in range(0, whole, 4):
        a, b, c, d = 0.0 + gradient[i], 0.0 + gradient[i + 1], 0.0 + gradient[i + 2], 0.0 + gradient[i + 3]
        absolute_a += abs(a)
        absolute_b += abs(b)
        absolute_c += abs(c)
        absolute_d += abs(d)
        squares_a += a * a
        squares_b += b * b
        squares_c += c * c
        squares_d += d * d
    for i in range(whole, count):
        v = 0.0 + gradient[i]
        absolute_a += abs(v)
        squares_a += v * v
    absolute = (absolute_a + absolute_b) + (absolute_c + absolute_d)
    sums[start // BLOCK] = l1 * absolute + l2 * ((squares_a + squares_b) + (squares_c + squares_d))
