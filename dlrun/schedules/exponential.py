"""A learning rate that falls exponentially."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from dlrun.schedules.base import Rates, Schedule, Steps, length_in_steps


class Exponential(Schedule):
    """Multiplies the learning rate by `decay_rate` over every `decay_epochs` (or `decay_steps`), smoothly.

    Keras's ExponentialDecay; with staircase and one epoch, PyTorch's ExponentialLR.
    """

    aliases: ClassVar[Mapping[str, str | tuple[str, ...]]] = {"gamma": "decay_rate"}

    type: Literal["exponential"] = "exponential"
    decay_rate: float = Field(gt=0, allow_inf_nan=False)
    """The factor on the rate over one such length."""
    decay_epochs: float | None = Field(None, gt=0, allow_inf_nan=False)
    """The length in epochs; one epoch when no length is given."""
    decay_steps: int | None = Field(None, gt=0)
    """The length in steps; instead of decay_epochs."""
    staircase: bool = False
    """Whether the rate stays the same within a length and falls at its end."""

    @model_validator(mode="after")
    def _one_length(self) -> Exponential:
        if self.decay_epochs is not None and self.decay_steps is not None:
            raise ValueError("decay_epochs and decay_steps exclude each other: give one of them")
        return self

    def curve(self, steps: Steps, learning_rate: float, steps_per_epoch: int, total_steps: int) -> Rates:
        """rate[t] = learning_rate * decay_rate ** (t / length), the exponent rounded down with staircase."""
        epochs = 1.0 if self.decay_epochs is None else self.decay_epochs
        exponent = steps / length_in_steps(epochs, self.decay_steps, steps_per_epoch, total_steps)
        return learning_rate * self.decay_rate ** (np.floor(exponent) if self.staircase else exponent)
