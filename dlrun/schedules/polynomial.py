"""A learning rate that falls along a polynomial, a straight line for one."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from dlrun.schedules.base import Rates, Schedule, Steps, length_in_steps


class Polynomial(Schedule):
    """Falls from the learning rate to `end_learning_rate` over the run, or over `decay_epochs`, and stays there.

    Keras's PolynomialDecay (without cycle); with end_learning_rate 0, PyTorch's PolynomialLR.
    """

    type: Literal["polynomial"] = "polynomial"
    end_learning_rate: float = Field(1e-4, ge=0, allow_inf_nan=False)
    """The rate at the end."""
    power: float = Field(1.0, gt=0, allow_inf_nan=False)
    """1 is a straight line; more falls faster at first."""
    decay_epochs: float | None = Field(None, gt=0, allow_inf_nan=False)
    """How long the fall takes, in epochs; the whole run when no length is given."""
    decay_steps: int | None = Field(None, gt=0)
    """How long the fall takes, in steps; instead of decay_epochs."""

    @model_validator(mode="after")
    def _one_length(self) -> Polynomial:
        if self.decay_epochs is not None and self.decay_steps is not None:
            raise ValueError("decay_epochs and decay_steps exclude each other: give one of them")
        return self

    def curve(self, steps: Steps, learning_rate: float, steps_per_epoch: int, total_steps: int) -> Rates:
        """rate[t] = end + (learning_rate - end) * (1 - t / length) ** power, with t at most length."""
        length = length_in_steps(self.decay_epochs, self.decay_steps, steps_per_epoch, total_steps)
        left = 1.0 - np.minimum(steps / length, 1.0)
        return self.end_learning_rate + (learning_rate - self.end_learning_rate) * left**self.power
