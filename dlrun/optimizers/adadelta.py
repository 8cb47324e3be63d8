"""Adadelta: steps in proportion to the root mean square of earlier steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from dlrun.kernels.lang import Count, Gradient, InDouble, InOut, Number, Start, kernel, real, shift
from dlrun.kernels.math import sqrt
from dlrun.optimizers.base import Optimizer
from dlrun.plan import Argument, Step

if TYPE_CHECKING:
    from dlrun.compiler.updates import UpdateEmitter


class Adadelta(Optimizer):
    """Adadelta (Zeiler 2012, algorithm 1), with a rate before the step; Keras and PyTorch have the same formula.

        v = rho v + (1 - rho) g²;  d = g sqrt(u + epsilon) / sqrt(v + epsilon);  u = rho u + (1 - rho) d²;  w -= rate d

    The paper's own rate is 1 (PyTorch's default); Keras's, and the default here, is 0.001.
    """

    aliases: ClassVar = {**Optimizer.aliases, "eps": "epsilon"}

    type: Literal["adadelta"] = "adadelta"
    rho: float = Field(default=0.95, ge=0, lt=1)
    """How much of the running mean squares is kept at each step."""
    epsilon: float = Field(default=1e-7, ge=0, allow_inf_nan=False)
    """Added to the mean squares: it sets the size of the first steps."""

    def steps(self, emit: UpdateEmitter) -> tuple[Step, ...]:
        """Return one kernel call."""
        arguments: dict[str, Argument] = {
            "w": emit.weights, "v": emit.slot("square"), "u": emit.slot("step_square"), "scalars": emit.scalars,
            "new": 1 - self.rho, "epsilon": self.epsilon,
        }  # fmt: skip
        return (Step(adadelta_update, arguments),)


@kernel
def adadelta_update(
    w: InOut, v: InOut, u: InOut, scalars: InDouble, new: Number, epsilon: Number, gradient: Gradient, start: Start,
    count: Count,
) -> None:  # fmt: skip
    """v += (g² - v) new;  d = g sqrt((u + epsilon) / (v + epsilon));  u += (d² - u) new;  w -= rate d."""
    w_here, v_here, u_here, rate = shift(w, start), shift(v, start), shift(u, start), real(scalars[0])
    for i in range(count):
        g = gradient[i]
        square = v_here[i] + (g * g - v_here[i]) * new
        step = g * sqrt(u_here[i] + epsilon) / sqrt(square + epsilon)
        v_here[i] = square
        u_here[i] += (step * step - u_here[i]) * new
        w_here[i] -= rate * step
