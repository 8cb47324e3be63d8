"""A learning rate that falls in steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from dlrun.schedules.base import Rates, Schedule, Steps

Epochs = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Step(Schedule):
    """Multiplies the learning rate by `gamma` every `step_size` epochs, or at each of the `milestones`.

    Like PyTorch's StepLR and MultiStepLR, but lengths may be fractions of an epoch.
    """

    aliases: ClassVar[Mapping[str, str | tuple[str, ...]]] = {"boundaries": "milestones", "epochs": "step_size"}

    type: Literal["step"] = "step"
    step_size: Epochs | None = None
    """After how many epochs the rate falls, again and again."""
    milestones: tuple[Epochs, ...] | None = None
    """The epochs after which the rate falls, in rising order; instead of step_size."""
    gamma: float = Field(0.1, gt=0, allow_inf_nan=False)
    """The factor on the rate each time."""

    @model_validator(mode="after")
    def _one_rhythm(self) -> Step:
        if (self.step_size is None) == (self.milestones is None):
            raise ValueError("give either step_size or milestones")
        if self.milestones is not None and list(self.milestones) != sorted(set(self.milestones)):
            raise ValueError("milestones must rise from one to the next")
        return self

    def curve(self, steps: Steps, learning_rate: float, steps_per_epoch: int, total_steps: int) -> Rates:
        """rate[t] = learning_rate * gamma ** (how many falls there were until t)."""
        if self.milestones is not None:
            boundaries = np.rint(np.array(self.milestones) * steps_per_epoch)
            falls = np.searchsorted(boundaries, steps, side="right")
        else:
            assert self.step_size is not None  # the validator saw to it
            falls = steps // max(round(self.step_size * steps_per_epoch), 1)
        return learning_rate * self.gamma ** falls.astype(np.float64)
