"""What becomes of gradients: stored, or turned into the optimizer's step at once, while they are in cache.

For each variable a chain of kernels takes the gradient, part by part:

    regularizer's gradient → clipvalue → weight decay → optimizer → moving average of the weights

Where nothing needs a whole gradient, the chain is applied to each part as soon as the layer has finished it. Where
gradients are summed over steps, or clipped by a norm, layers store them, and calls at the step's end walk over them:

    average → regularizer's gradient → clipvalue → norms → decay → optimizer → moving average → clear

Clipping by a norm without summing over steps walks once: the squares are summed as the layers store their gradients.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from dlrun.compiler.emitter import Builder
from dlrun.kernels.updates import (
    NORM_BLOCK,
    accumulate_gradient,
    add_sums,
    average_gradient,
    clear_gradient,
    clip_gradient,
    decay_weights,
    follow_weights,
    missing_squares,
    norm_factor,
    scale_gradient,
    square_gradient,
    store_gradient,
    walk_gradient,
)
from dlrun.layers.variable import Variable
from dlrun.plan import APPLY, MICRO_STEPS, Argument, Buffer, Plan, Step, Update

if TYPE_CHECKING:
    from dlrun.compiler.graph import Node
    from dlrun.optimizers.base import Optimizer

EMA = "ema"
"""The slot that holds the moving average of a variable."""


class UpdateEmitter:
    """What an optimizer sees of the builder for one variable."""

    def __init__(self, builder: Builder, name: str, variable: Variable) -> None:
        self.builder, self.name, self.variable = builder, name, variable
        self.size = prod(variable.shape)
        self.weights = builder.plan.buffers[name]
        self.scalars = builder.buffer("scalars", 0, "data", "float64")

    def slot(self, name: str, initial: float = 0.0) -> Buffer:
        """Return an array of the optimizer's state, of the variable's shape, that starts at one value."""
        values = (initial,) if initial else None
        return self.builder.buffer(f"{self.name}/{name}", self.size, "optimizer", values=values)


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
    """Applies an optimizer to each part of a gradient: at once, or when all gradients are there."""

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self.accumulates = optimizer.gradient_accumulation_steps > 1
        self.clips_norm = optimizer.clipnorm is not None or optimizer.global_clipnorm is not None
        self.stored: list[tuple[UpdateEmitter, Buffer]] = []
        self.constrained: list[UpdateEmitter] = []

    def update_of(self, builder: Builder, node: Node, variable: Variable) -> Update:
        """Return the optimizer's steps for this variable, or the storing of its gradient."""
        emit = UpdateEmitter(builder, f"{node.name}/{variable.name}", variable)
        if variable.constraint is not None:
            self.constrained.append(emit)
        if not (self.accumulates or self.clips_norm):
            steps = (*self._prepare(emit), *self._apply(emit))
            is_plain = len(steps) == 1 and self.optimizer.only_descends
            return Update(emit.name, steps, (emit.weights, emit.scalars) if is_plain else None)
        if self.accumulates:
            gradient = emit.slot("gradient_sum")
            steps = (Step(accumulate_gradient, {"total": gradient}),)
        else:
            gradient = builder.buffer(f"gradient/{emit.name}", emit.size)
            steps = (*self._prepare(emit), Step(store_gradient, {"dw": gradient}), self._square(emit))
        self.stored.append((emit, gradient))
        return Update(emit.name, steps)

    def _squares(self, emit: UpdateEmitter) -> Buffer:
        """Return the sums of squares of the blocks of a gradient."""
        return emit.builder.buffer(f"{emit.name}/gradient_squares", -(-emit.size // NORM_BLOCK), dtype="float64")

    def _square(self, emit: UpdateEmitter) -> Step:
        return Step(square_gradient, {"squares": self._squares(emit), "size": emit.size})

    def emit_rest(self, builder: Builder) -> None:
        """Emit the walks over stored gradients, and the constraints."""
        if self.clips_norm:
            self._emit_clipped(builder)
        else:
            for emit, gradient in self.stored:
                self._walk(emit, gradient, (*self._prepare(emit), *self._apply(emit), *self._clear()))
        for emit in self.constrained:
            assert emit.variable.constraint is not None
            builder.node = emit.name
            emit.variable.constraint.emit(builder, emit.weights, emit.variable.shape)
        self.stored, self.constrained = [], []

    def _prepare(self, emit: UpdateEmitter) -> tuple[Step, ...]:
        """Return the steps that make of what the layer found the gradient that is applied."""
        steps: list[Step] = []
        if self.accumulates:
            steps.append(Step(average_gradient, {"micro_steps": MICRO_STEPS}))
        if emit.variable.regularizer is not None:
            steps.append(emit.variable.regularizer.step(emit.weights))
        if self.optimizer.clipvalue is not None:
            steps.append(Step(clip_gradient, {"limit": self.optimizer.clipvalue}))
        return tuple(steps)

    def _apply(self, emit: UpdateEmitter) -> tuple[Step, ...]:
        """Return the steps that change the weights."""
        steps: list[Step] = []
        if self.optimizer.weight_decay:
            decay: dict[str, Argument] = {
                "w": emit.weights,
                "scalars": emit.scalars,
                "decay": self.optimizer.weight_decay,
            }
            steps.append(Step(decay_weights, decay))
        steps.extend(self.optimizer.steps(emit))
        if self.optimizer.use_ema:
            steps.append(Step(follow_weights, {"w": emit.weights, "average": emit.slot(EMA), "scalars": emit.scalars}))
        return tuple(steps)

    def _clear(self) -> tuple[Step, ...]:
        return (Step(clear_gradient, {}),) if self.accumulates else ()

    def _walk(self, emit: UpdateEmitter, gradient: Buffer, steps: tuple[Step, ...]) -> None:
        emit.builder.node = emit.name
        chain = Update(emit.name, steps)
        emit.builder.call(walk_gradient, partition="split", gradient=gradient, chain=chain, apply=APPLY, size=emit.size)

    def _emit_clipped(self, builder: Builder) -> None:
        """Emit what is left of the squares of all gradients, the norms, and the optimizer's steps, scaled."""
        for emit, gradient in self.stored:
            if self.accumulates:
                self._walk(emit, gradient, (*self._prepare(emit), self._square(emit)))
            else:
                builder.node = emit.name
                builder.call(
                    missing_squares, partition="split", gradient=gradient, squares=self._squares(emit), apply=APPLY,
                    size=emit.size,
                )  # fmt: skip
        factors = self._emit_norms(builder, [self._squares(emit) for emit, _ in self.stored])
        for (emit, gradient), factor in zip(self.stored, factors, strict=True):
            scale = Step(scale_gradient, {"factor": factor})
            self._walk(emit, gradient, (scale, *self._apply(emit), *self._clear()))

    def _emit_norms(self, builder: Builder, squares: list[Buffer]) -> list[Buffer]:
        """Return the buffer with each variable's factor: its own (clipnorm), or that of all (global_clipnorm)."""
        nothing = total = builder.constant("no_sum", (0.0,), "float64")
        factors = []
        for (emit, _), sums in zip(self.stored, squares, strict=True):
            builder.node = emit.name
            before = nothing if self.optimizer.clipnorm is not None else total
            total = builder.buffer(f"{emit.name}/square_norm", 1, dtype="float64")
            builder.call(add_sums, partition="one", sums=sums, before=before, total=total, count=sums.size)
            if self.optimizer.clipnorm is not None:
                factors.append(self._emit_factor(builder, total, self.optimizer.clipnorm))
        if self.optimizer.global_clipnorm is not None:
            factors = [self._emit_factor(builder, total, self.optimizer.global_clipnorm)] * len(squares)
        return factors

    def _emit_factor(self, builder: Builder, squares: Buffer, limit: float) -> Buffer:
        factor = builder.buffer(f"{builder.node}/clip_factor", 1)
        builder.call(norm_factor, partition="one", squares=squares, factor=factor, limit=limit)
        return factor


def moving_averages(plan: Plan) -> dict[str, str]:
    """Return the buffers with the weights' moving averages, by the names of the weights' own buffers.

    Empty without `use_ema`. They hold zeros until the first update, which copies the weights.
    """
    names = [buffer.name for buffer in plan.region("optimizer")]
    return {name.removesuffix(f"/{EMA}"): name for name in names if name.endswith(f"/{EMA}")}
