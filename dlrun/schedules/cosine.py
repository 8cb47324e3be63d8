"""A learning rate that falls along half a cosine, once or with warm restarts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from dlrun.registry import Spec
from dlrun.schedules.base import Rates, Schedule, Steps


class Restarts(Spec):
    """Warm restarts: the cosine falls over a first period, starts anew, falls over the next, and so on."""

    aliases: ClassVar[Mapping[str, str | tuple[str, ...]]] = {
        "T_0": "first_period",
        "T_mult": "multiplier",
        "t_mul": "multiplier",
    }

    first_period: float = Field(gt=0, allow_inf_nan=False)
    """The length of the first period in epochs."""
    multiplier: float = Field(1.0, ge=1, allow_inf_nan=False)
    """How many times longer each period is than the one before."""


class Cosine(Schedule):
    """Falls along half a cosine to `alpha` times the learning rate, or to `minimum`, by the end of the run.

    Keras's CosineDecay and PyTorch's CosineAnnealingLR; with restarts, CosineAnnealingWarmRestarts.
    Source: Loshchilov & Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts (2017), equation 5.
    """

    aliases: ClassVar[Mapping[str, str | tuple[str, ...]]] = {"eta_min": "minimum"}

    type: Literal["cosine"] = "cosine"
    alpha: float = Field(0.0, ge=0, allow_inf_nan=False)
    """The rate at the end as a part of the learning rate."""
    minimum: float | None = Field(None, ge=0, allow_inf_nan=False)
    """The rate at the end; instead of alpha."""
    restarts: Restarts | None = None
    """Warm restarts, if wanted."""

    @model_validator(mode="after")
    def _one_end(self) -> Cosine:
        if self.alpha and self.minimum is not None:
            raise ValueError("alpha and minimum exclude each other: give one of them")
        return self

    def curve(self, steps: Steps, learning_rate: float, steps_per_epoch: int, total_steps: int) -> Rates:
        """rate[t] = end + (learning_rate - end) * (1 + cos(pi * done)) / 2, with done = the part of the period."""
        end = self.alpha * learning_rate if self.minimum is None else self.minimum
        if self.restarts is None:
            done = np.minimum(steps / total_steps, 1.0)
        else:
            done = _part_of_period(self.restarts, steps, steps_per_epoch)
        return end + (learning_rate - end) * 0.5 * (1.0 + np.cos(np.pi * done))


def _part_of_period(restarts: Restarts, steps: Steps, steps_per_epoch: int) -> Rates:
    """How much of its period has passed at each step: T_cur / T_i of the paper.

    Periods are whole numbers of steps, so that a restart falls on a step exactly.
    """
    last = int(steps.max(initial=0))
    lengths = [max(round(restarts.first_period * steps_per_epoch), 1)]
    starts = [0]
    while starts[-1] + lengths[-1] <= last:
        starts.append(starts[-1] + lengths[-1])
        lengths.append(round(lengths[0] * restarts.multiplier ** len(lengths)))
    period = np.searchsorted(starts, steps, side="right") - 1
    return np.asarray((steps - np.array(starts)[period]) / np.array(lengths)[period], np.float64)
