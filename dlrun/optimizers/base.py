"""What every optimizer has in a config, and what the compiler asks of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field, model_validator

from dlrun.registry import Component

if TYPE_CHECKING:
    from dlrun.compiler.updates import UpdateEmitter
    from dlrun.plan import Step

Doubles = np.ndarray[Any, np.dtype[np.float64]]
Longs = np.ndarray[Any, np.dtype[np.int64]]


class Optimizer(Component):
    """How the weights follow the gradient.

    A subclass gives its fields, `corrections` (what its kernel needs to know of each step) and `steps` (its kernels).

    At an update the gradient, with the regularizers' part, is averaged over the accumulated steps and clipped; the
    weights decay; the optimizer's own step is taken; then the weights' moving average, if any, follows.
    """

    aliases: ClassVar = {"lr": "learning_rate"}

    learning_rate: float = Field(default=1e-3, ge=0, allow_inf_nan=False)
    """The size of a step, before the schedule's factor."""
    weight_decay: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """Decoupled weight decay (Loshchilov & Hutter 2019), of all trained variables, biases too, as Keras has it:
    w -= rate * weight_decay * w before each step."""
    clipvalue: float | None = Field(default=None, gt=0)
    """Each entry of the gradient is brought into [-clipvalue, clipvalue]."""
    clipnorm: float | None = Field(default=None, gt=0)
    """Each variable's gradient is scaled down to this norm where its norm is larger."""
    global_clipnorm: float | None = Field(default=None, gt=0)
    """The gradient of all variables is scaled down to this norm where its norm is larger."""
    use_ema: bool = False
    """Whether a moving average of the weights is kept, and used for evaluation."""
    ema_momentum: float = Field(default=0.99, ge=0, le=1)
    """How much of the moving average is kept at each update: a = m * a + (1 - m) * w. The first one copies."""
    gradient_accumulation_steps: int = Field(default=1, ge=1)
    """Over how many steps gradients are averaged before an update."""

    @model_validator(mode="after")
    def _one_kind_of_clipping(self) -> Optimizer:
        given = [name for name in ("clipvalue", "clipnorm", "global_clipnorm") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} exclude each other: give one of them")
        return self

    def scalars(self, updates: Longs, rates: Doubles) -> Doubles:
        """Return the numbers that the kernels need for each step: rate, weight of the moving average, corrections.

        `updates` are the numbers of updates done before each step since training began, `rates` the schedule's
        learning rates. A pure function of each entry, so a resumed run has the numbers of one that never stopped.
        Shapes: updates, rates (n,) → (n, 2 + k).
        """
        follow = np.where(updates == 0, 1.0, 1.0 - self.ema_momentum)
        return np.concatenate([rates[:, None], follow[:, None], self.corrections(updates, rates)], axis=1)

    def corrections(self, updates: Longs, rates: Doubles) -> Doubles:
        """Return the optimizer's own numbers (n, k): what its kernel finds from scalars[2] on."""
        return np.empty((len(updates), 0))

    @property
    def only_descends(self) -> bool:
        """Whether `steps` does no more than w -= scalars[0] * g."""
        return False

    def steps(self, emit: UpdateEmitter) -> tuple[Step, ...]:
        """Return the kernel calls that apply a part of a gradient to the weights."""
        raise TypeError(f"{type(self).__name__} has no steps")


def powers(base: float, exponents: Longs) -> Doubles:
    """Return base ** exponent of each, one by one: NumPy's own may depend on an entry's place in the array."""
    return np.array([base ** int(exponent) for exponent in exponents], np.float64)
