"""Adam with Nesterov's look-ahead."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from dlrun.kernels.lang import Count, Gradient, InDouble, InOut, Number, Start, kernel, real, shift
from dlrun.kernels.math import sqrt
from dlrun.optimizers.base import Doubles, Longs, Optimizer, powers
from dlrun.plan import Argument, Step

if TYPE_CHECKING:
    from dlrun.compiler.updates import UpdateEmitter


class Nadam(Optimizer):
    """Nadam (Dozat 2016), as PyTorch has it: Adam's m is replaced by a mean that looks one step ahead.

        u_t = beta_1 (1 - 0.96^(momentum_decay t) / 2),  U_t = u_1 ... u_t
        w -= rate * (u_{t+1} m / (1 - U_{t+1}) + (1 - u_t) g / (1 - U_t)) / (sqrt(v / (1 - beta_2^t)) + epsilon)

    Keras 3 has momentum_decay: 1.
    """

    aliases: ClassVar = {**Optimizer.aliases, "betas": ("beta_1", "beta_2"), "eps": "epsilon"}

    type: Literal["nadam"] = "nadam"
    beta_1: float = Field(default=0.9, ge=0, lt=1)
    """How much of the gradient's running mean is kept at each step."""
    beta_2: float = Field(default=0.999, ge=0, lt=1)
    """How much of the squared gradient's running mean is kept at each step."""
    epsilon: float = Field(default=1e-8, ge=0, allow_inf_nan=False)
    """Added to the root mean square, so that nothing is divided by zero."""
    momentum_decay: float = Field(default=0.004, ge=0, allow_inf_nan=False)
    """How fast the weight of the look-ahead rises to beta_1."""

    def corrections(self, updates: Longs, rates: Doubles) -> Doubles:
        """Return the factors of m and of g, and 1 / sqrt(1 - beta_2^t), for t = updates + 1."""
        steps = updates + 1
        last = int(steps.max(initial=0)) + 1
        factors = self.beta_1 * (1 - 0.5 * powers(0.96**self.momentum_decay, np.arange(1, last + 1)))
        products = np.multiply.accumulate(factors)
        of_mean = rates * factors[steps] / (1 - products[steps])
        of_gradient = rates * (1 - factors[steps - 1]) / (1 - products[steps - 1])
        return np.stack([of_mean, of_gradient, 1 / np.sqrt(1 - powers(self.beta_2, steps))], axis=1)

    def steps(self, emit: UpdateEmitter) -> tuple[Step, ...]:
        """Return one kernel call."""
        arguments: dict[str, Argument] = {
            "w": emit.weights, "m": emit.slot("mean"), "v": emit.slot("square"), "scalars": emit.scalars,
            "new_1": 1 - self.beta_1, "new_2": 1 - self.beta_2, "epsilon": self.epsilon,
        }  # fmt: skip
        return (Step(nadam_update, arguments),)


@kernel
def nadam_update(
    w: InOut, m: InOut, v: InOut, scalars: InDouble, new_1: Number, new_2: Number, epsilon: Number, gradient: Gradient,
    start: Start, count: Count,
) -> None:  # fmt: skip
    """m += (g - m) new_1;  v += (g² - v) new_2;  w -= (s2 m + s3 g) / (s4 sqrt(v) + epsilon), with scalars s."""
    w_here, m_here, v_here = shift(w, start), shift(m, start), shift(v, start)
    of_mean, of_gradient, correction = real(scalars[2]), real(scalars[3]), real(scalars[4])
    for i in range(count):
        g = gradient[i]
        mean = m_here[i] + (g - m_here[i]) * new_1
        square = v_here[i] + (g * g - v_here[i]) * new_2
        m_here[i] = mean
        v_here[i] = square
        w_here[i] -= (of_mean * mean + of_gradient * g) / (sqrt(square) * correction + epsilon)
