"""Stochastic gradient descent, with momentum and Nesterov's variant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from dlrun.kernels.lang import Count, Gradient, InDouble, InOut, Number, Size, Start, kernel, real, shift
from dlrun.optimizers.base import Optimizer
from dlrun.plan import Argument, Step

if TYPE_CHECKING:
    from dlrun.compiler.updates import UpdateEmitter


class SGD(Optimizer):
    """Stochastic gradient descent.

    Without momentum w -= rate * g. With momentum, as Keras has it: v = momentum * v - rate * g, then w += v,
    or with Nesterov's look-ahead (Sutskever et al. 2013) w += momentum * v - rate * g.
    """

    type: Literal["sgd"] = "sgd"
    learning_rate: float = Field(default=0.01, ge=0, allow_inf_nan=False)
    """The size of a step, before the schedule's factor."""
    momentum: float = Field(default=0.0, ge=0, lt=1)
    """How much of the last step is taken again."""
    nesterov: bool = False
    """Whether the gradient is taken as if at the point where the momentum leads."""

    @property
    def only_descends(self) -> bool:
        """Whether there is no momentum."""
        return not self.momentum

    def steps(self, emit: UpdateEmitter) -> tuple[Step, ...]:
        """Return one kernel call: with momentum or without."""
        if not self.momentum:
            return (Step(sgd_update, {"w": emit.weights, "scalars": emit.scalars}),)
        arguments: dict[str, Argument] = {
            "w": emit.weights, "v": emit.slot("velocity"), "scalars": emit.scalars,
            "momentum": self.momentum, "nesterov": int(self.nesterov),
        }  # fmt: skip
        return (Step(sgd_momentum_update, arguments),)


@kernel
def sgd_update(w: InOut, scalars: InDouble, gradient: Gradient, start: Start, count: Count) -> None:
    """w = w - rate * g."""
    w_here, rate = shift(w, start), real(scalars[0])
    for i in range(count):
        w_here[i] -= rate * gradient[i]


@kernel
def sgd_momentum_update(
    w: InOut, v: InOut, scalars: InDouble, momentum: Number, nesterov: Size, gradient: Gradient, start: Start,
    count: Count,
) -> None:  # fmt: skip
    """v = momentum * v - rate * g;  w = w + v, or w + momentum * v - rate * g."""
    w_here, v_here, rate = shift(w, start), shift(v, start), real(scalars[0])
    if nesterov != 0:
        for i in range(count):
            velocity = momentum * v_here[i] - rate * gradient[i]
            v_here[i] = velocity
            w_here[i] += momentum * velocity - rate * gradient[i]
    else:
        for i in range(count):
            velocity = momentum * v_here[i] - rate * gradient[i]
            v_here[i] = velocity
            w_here[i] += velocity
