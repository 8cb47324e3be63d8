"""What becomes of gradients: stored, or turned into the optimizer's step at once, while they are in cache."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from dlrun.compiler.emitter import Builder
from dlrun.plan import Buffer, Step, Update
from dlrun.kernels.lang import Count, Gradient, Out, Start, kernel
from dlrun.layers.variable import Variable

if TYPE_CHECKING:
    from dlrun.compiler.graph import Node
    from dlrun.optimizers.base import Optimizer


class UpdateEmitter:
    """What an optimizer sees of the builder for one variable."""

    def __init__(self, builder: Builder, name: str, variable: Variable) -> None:
        self.builder, self.name, self.variable = builder, name, variable
        self.weights = builder.plan.buffers[name]
        self.scalars = builder.buffer("scalars", 0, "data", "float64")

    def slot(self, name: str) -> Buffer:
        """Return an array of the optimizer's state, of the variable's shape, that starts at zero."""
        return self.builder.buffer(f"{self.name}/{name}", prod(self.variable.shape), "optimizer")


class UpdateRule:
    """Stores gradients in buffers named "gradient/VARIABLE": for checks of gradients."""

    def update_of(self, builder: Builder, node: Node, variable: Variable) -> Update:
        """Return what becomes of this variable's gradient."""
        name = f"{node.name}/{variable.name}"
        gradient = builder.buffer(f"gradient/{name}", prod(variable.shape))
        return Update(name, (Step(store_gradient, {"dw": gradient}),))

    def emit_rest(self, builder: Builder) -> None:
        """Emit what can only be done when all gradients are there."""


class OptimizerRule(UpdateRule):
    """Applies an optimizer to each part of a gradient as soon as it is finished."""

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer

    def update_of(self, builder: Builder, node: Node, variable: Variable) -> Update:
        """Return the optimizer's steps for this variable."""
        name = f"{node.name}/{variable.name}"
        return Update(name, self.optimizer.steps(UpdateEmitter(builder, name, variable)))


@kernel
def store_gradient(dw: Out, gradient: Gradient, start: Start, count: Count):
    """dw[start + i] = gradient[i] for i < count."""
    for i in range(count):
        dw[start + i] = gradient[i]
