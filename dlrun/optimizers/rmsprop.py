"""RMSprop: the gradient over its running root mean square."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from dlrun.kernels.lang import Count, Gradient, InDouble, InOut, Number, Start, kernel, real, shift
from dlrun.kernels.math import sqrt
from dlrun.optimizers.base import Optimizer
from dlrun.plan import Argument, Step

if TYPE_CHECKING:
    from dlrun.compiler.updates import UpdateEmitter


class RMSprop(Optimizer):
    """RMSprop (Hinton 2012; centered: Graves 2013), as Keras has it.

        v = rho v + (1 - rho) g²;  centered: a = rho a + (1 - rho) g, else a = 0
        d = rate * g / sqrt(v - a² + epsilon);  w -= d, or with momentum b = momentum b + d;  w -= b

    PyTorch adds its epsilon (1e-8) to the root instead, and calls rho `alpha` (0.99).
    """

    aliases: ClassVar = {**Optimizer.aliases, "alpha": "rho", "eps": "epsilon"}

    type: Literal["rmsprop"] = "rmsprop"
    rho: float = Field(default=0.9, ge=0, lt=1)
    """How much of the squared gradient's running mean is kept at each step."""
    momentum: float = Field(default=0.0, ge=0, lt=1)
    """How much of the last step is taken again."""
    epsilon: float = Field(default=1e-7, ge=0, allow_inf_nan=False)
    """Added to the mean square, so that nothing is divided by zero."""
    centered: bool = False
    """Whether the gradient's variance stands in the place of its mean square."""

    def steps(self, emit: UpdateEmitter) -> tuple[Step, ...]:
        """Return two kernel calls: one makes the gradient a step, one takes it."""
        arguments: dict[str, Argument] = {
            "v": emit.slot("square"),
            "scalars": emit.scalars,
            "new": 1 - self.rho,
            "epsilon": self.epsilon,
        }
        if self.centered:
            scale = Step(rmsprop_centered_scale, {**arguments, "a": emit.slot("mean")})
        else:
            scale = Step(rmsprop_scale, arguments)
        if not self.momentum:
            return (scale, Step(rmsprop_step, {"w": emit.weights}))
        velocity: dict[str, Argument] = {"w": emit.weights, "b": emit.slot("velocity"), "momentum": self.momentum}
        return (scale, Step(rmsprop_momentum_step, velocity))


@kernel
def rmsprop_scale(
    v: InOut, scalars: InDouble, new: Number, epsilon: Number, gradient: Gradient, start: Start, count: Count
) -> None:
    """v += (g² - v) new;  g = rate g / sqrt(v + epsilon)."""
    v_here, rate = shift(v, start), real(scalars[0])
    for i in range(count):
        g = gradient[i]
        square = v_here[i] + (g * g - v_here[i]) * new
        v_here[i] = square
        gradient[i] = rate * g / sqrt(square + epsilon)


@kernel
def rmsprop_centered_scale(
    v: InOut, a: InOut, scalars: InDouble, new: Number, epsilon: Number, gradient: Gradient, start: Start, count: Count
) -> None:
    """v += (g² - v) new;  a += (g - a) new;  g = rate g / sqrt(v - a² + epsilon)."""
    v_here, a_here, rate = shift(v, start), shift(a, start), real(scalars[0])
    for i in range(count):
        g = gradient[i]
        square = v_here[i] + (g * g - v_here[i]) * new
        mean = a_here[i] + (g - a_here[i]) * new
        v_here[i] = square
        a_here[i] = mean
        gradient[i] = rate * g / sqrt(square - mean * mean + epsilon)


@kernel
def rmsprop_step(w: InOut, gradient: Gradient, start: Start, count: Count) -> None:
    """w -= g."""
    w_here = shift(w, start)
    for i in range(count):
        w_here[i] -= gradient[i]


@kernel
def rmsprop_momentum_step(w: InOut, b: InOut, momentum: Number, gradient: Gradient, start: Start, count: Count) -> None:
    """b = momentum b + g;  w -= b."""
    w_here, b_here = shift(w, start), shift(b, start)
    for i in range(count):
        velocity = momentum * b_here[i] + gradient[i]
        b_here[i] = velocity
        w_here[i] -= velocity
