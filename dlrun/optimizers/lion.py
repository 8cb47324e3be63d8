"""Lion: steps of one size, in the direction of the momentum's sign."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from dlrun.kernels.lang import Count, Gradient, InDouble, InOut, Number, Start, kernel, real, select, shift
from dlrun.optimizers.base import Optimizer
from dlrun.plan import Argument, Step

if TYPE_CHECKING:
    from dlrun.compiler.updates import UpdateEmitter


class Lion(Optimizer):
    """Lion (Chen et al. 2023): w -= rate * sign(beta_1 m + (1 - beta_1) g);  m = beta_2 m + (1 - beta_2) g.

    Its steps are larger than Adam's: a learning rate 3 to 10 times smaller, with a weight decay as many times larger,
    suits it.
    """

    aliases: ClassVar = {**Optimizer.aliases, "betas": ("beta_1", "beta_2")}

    type: Literal["lion"] = "lion"
    beta_1: float = Field(default=0.9, ge=0, lt=1)
    """How much the momentum counts beside the gradient in the step."""
    beta_2: float = Field(default=0.99, ge=0, lt=1)
    """How much of the momentum is kept at each step."""

    def steps(self, emit: UpdateEmitter) -> tuple[Step, ...]:
        """Return one kernel call."""
        arguments: dict[str, Argument] = {
            "w": emit.weights, "m": emit.slot("mean"), "scalars": emit.scalars,
            "new_1": 1 - self.beta_1, "new_2": 1 - self.beta_2,
        }  # fmt: skip
        return (Step(lion_update, arguments),)


@kernel
def lion_update(
    w: InOut, m: InOut, scalars: InDouble, new_1: Number, new_2: Number, gradient: Gradient, start: Start, count: Count
) -> None:
    """w -= rate sign(m + (g - m) new_1);  m += (g - m) new_2; where the sign is NaN, so is w."""
    w_here, m_here, rate, zero = shift(w, start), shift(m, start), real(scalars[0]), real(0)
    for i in range(count):
        change = gradient[i] - m_here[i]
        direction = m_here[i] + change * new_1
        sized = select(direction > zero, rate, select(direction < zero, -rate, direction))
        m_here[i] += change * new_2
        w_here[i] -= sized
