"""Adagrad: the gradient over the root of the sum of all its squares."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from dlrun.kernels.lang import Count, Gradient, InDouble, InOut, Number, Start, kernel, real, shift
from dlrun.kernels.math import sqrt
from dlrun.optimizers.base import Optimizer
from dlrun.plan import Step

if TYPE_CHECKING:
    from dlrun.compiler.updates import UpdateEmitter


class Adagrad(Optimizer):
    """Adagrad (Duchi et al. 2011), as Keras has it: s += g²;  w -= rate * g / sqrt(s + epsilon).

    PyTorch adds its epsilon (1e-10) to the root instead, and starts the sum at 0.
    """

    aliases: ClassVar = {**Optimizer.aliases, "eps": "epsilon"}

    type: Literal["adagrad"] = "adagrad"
    initial_accumulator_value: float = Field(default=0.1, ge=0, allow_inf_nan=False)
    """Where the sum of the squares starts."""
    epsilon: float = Field(default=1e-7, ge=0, allow_inf_nan=False)
    """Added to the sum of the squares, so that nothing is divided by zero."""

    def steps(self, emit: UpdateEmitter) -> tuple[Step, ...]:
        """Return one kernel call."""
        sums = emit.slot("squares", self.initial_accumulator_value)
        return (Step(adagrad_update, {"w": emit.weights, "s": sums, "scalars": emit.scalars, "epsilon": self.epsilon}),)


@kernel
def adagrad_update(
    w: InOut, s: InOut, scalars: InDouble, epsilon: Number, gradient: Gradient, start: Start, count: Count
) -> None:
    """s += g²;  w -= rate g / sqrt(s + epsilon)."""
    w_here, s_here, rate = shift(w, start), shift(s, start), real(scalars[0])
    for i in range(count):
        g = gradient[i]
        total = s_here[i] + g * g
        s_here[i] = total
        w_here[i] -= rate * g / sqrt(total + epsilon)
