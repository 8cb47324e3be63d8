"""Adam: steps of the size of the gradient's mean over its root mean square."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from dlrun.kernels.lang import Count, Gradient, InDouble, InOut, Number, Start, kernel, real, select, shift
from dlrun.kernels.math import sqrt
from dlrun.optimizers.base import Doubles, Longs, Optimizer, powers
from dlrun.plan import Argument, Step

if TYPE_CHECKING:
    from dlrun.compiler.updates import UpdateEmitter


class AdamFields(Optimizer):
    """What adam and adamw have in common: the fields and the step."""

    aliases: ClassVar = {**Optimizer.aliases, "betas": ("beta_1", "beta_2"), "eps": "epsilon"}

    beta_1: float = Field(default=0.9, ge=0, lt=1)
    """How much of the gradient's running mean is kept at each step."""
    beta_2: float = Field(default=0.999, ge=0, lt=1)
    """How much of the squared gradient's running mean is kept at each step."""
    epsilon: float = Field(default=1e-8, ge=0, allow_inf_nan=False)
    """Added to the root mean square, so that nothing is divided by zero."""
    amsgrad: bool = False
    """Whether the largest running mean of the squares so far is used (Reddi et al. 2018)."""

    def corrections(self, updates: Longs, rates: Doubles) -> Doubles:
        """Return rate / (1 - beta_1^t) and 1 / sqrt(1 - beta_2^t) for t = updates + 1."""
        first, second = 1 - powers(self.beta_1, updates + 1), 1 - powers(self.beta_2, updates + 1)
        return np.stack([rates / first, 1 / np.sqrt(second)], axis=1)

    def steps(self, emit: UpdateEmitter) -> tuple[Step, ...]:
        """Return one kernel call: with AMSGrad's maximum or without."""
        arguments: dict[str, Argument] = {
            "w": emit.weights, "m": emit.slot("mean"), "v": emit.slot("square"), "scalars": emit.scalars,
            "new_1": 1 - self.beta_1, "new_2": 1 - self.beta_2, "epsilon": self.epsilon,
        }  # fmt: skip
        if not self.amsgrad:
            return (Step(adam_update, arguments),)
        return (Step(amsgrad_update, {**arguments, "top": emit.slot("largest_square")}),)


class Adam(AdamFields):
    """Adam (Kingma & Ba 2015, algorithm 1), as PyTorch has it.

        m = beta_1 m + (1 - beta_1) g;  v = beta_2 v + (1 - beta_2) g²
        w -= rate * m / (1 - beta_1^t) / (sqrt(v / (1 - beta_2^t)) + epsilon)

    Keras adds its epsilon (1e-7) to the root before the correction of v, so that it counts for more at first.
    """

    type: Literal["adam"] = "adam"


@kernel
def adam_update(
    w: InOut, m: InOut, v: InOut, scalars: InDouble, new_1: Number, new_2: Number, epsilon: Number, gradient: Gradient,
    start: Start, count: Count,
) -> None:  # fmt: skip
    """m += (g - m) new_1;  v += (g² - v) new_2;  w -= s2 m / (s3 sqrt(v) + epsilon), with scalars s; new = 1 - beta."""
    w_here, m_here, v_here = shift(w, start), shift(m, start), shift(v, start)
    rate, correction = real(scalars[2]), real(scalars[3])
    for i in range(count):
        g = gradient[i]
        mean = m_here[i] + (g - m_here[i]) * new_1
        square = v_here[i] + (g * g - v_here[i]) * new_2
        m_here[i] = mean
        v_here[i] = square
        w_here[i] -= rate * mean / (sqrt(square) * correction + epsilon)


@kernel
def amsgrad_update(
    w: InOut, m: InOut, v: InOut, top: InOut, scalars: InDouble, new_1: Number, new_2: Number, epsilon: Number,
    gradient: Gradient, start: Start, count: Count,
) -> None:  # fmt: skip
    """As adam_update, with top = max(top, v) in the place of v."""
    w_here, m_here, v_here, top_here = shift(w, start), shift(m, start), shift(v, start), shift(top, start)
    rate, correction = real(scalars[2]), real(scalars[3])
    for i in range(count):
        g = gradient[i]
        mean = m_here[i] + (g - m_here[i]) * new_1
        square = v_here[i] + (g * g - v_here[i]) * new_2
        largest = select(square < top_here[i], top_here[i], square)
        m_here[i] = mean
        v_here[i] = square
        top_here[i] = largest
        w_here[i] -= rate * mean / (sqrt(largest) * correction + epsilon)
