"""What every optimizer has in a config, and what the compiler asks of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from dlrun.registry import Component

if TYPE_CHECKING:
    from dlrun.plan import Step
    from dlrun.compiler.updates import UpdateEmitter

Doubles = np.ndarray[Any, np.dtype[np.float64]]


class Optimizer(Component):
    """How the weights follow the gradient.

    A subclass gives its fields, `scalars` (what its kernel needs to know of each step) and `steps` (its kernel calls).
    """

    aliases: ClassVar = {"lr": "learning_rate"}

    learning_rate: float = Field(default=1e-3, ge=0)
    """The size of a step, before the schedule's factor."""

    def scalars(self, steps: np.ndarray[Any, np.dtype[np.int64]], rates: Doubles) -> Doubles:
        """Return the numbers each step needs (steps, k): the rate first, then what depends on the step's number.

        `steps` are the numbers of updates since training began, from 0; `rates` the schedule's learning rates.
        """
        return rates[:, None]

    def steps(self, emit: UpdateEmitter) -> tuple[Step, ...]:
        """Return the kernel calls that apply a part of a gradient to the weights."""
        raise TypeError(f"{type(self).__name__} has no steps")
