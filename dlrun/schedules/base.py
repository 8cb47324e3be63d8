"""What every schedule has in a config, and the warm-up that may come before any."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from pydantic import Field, model_validator

from dlrun.registry import Component

Rates = np.ndarray[Any, np.dtype[np.float64]]
Steps = np.ndarray[Any, np.dtype[np.int64]]


class Schedule(Component):
    """How the learning rate moves from step to step.

    A warm-up, if any, comes first: the rate rises in a straight line from `warmup_from` times the schedule's first
    rate up to that rate. The schedule itself begins when the warm-up is over: its steps and epochs count from there,
    and its whole length is what the warm-up leaves of the run.
    """

    warmup_epochs: float = Field(0.0, ge=0, allow_inf_nan=False)
    """How long the warm-up takes, in epochs; it may be a fraction."""
    warmup_steps: int = Field(0, ge=0)
    """How long the warm-up takes, in steps; instead of warmup_epochs."""
    warmup_from: float = Field(0.0, ge=0, allow_inf_nan=False)
    """The factor on the learning rate with which the warm-up starts."""

    @model_validator(mode="after")
    def _one_warmup(self) -> Schedule:
        if self.warmup_epochs and self.warmup_steps:
            raise ValueError("warmup_epochs and warmup_steps exclude each other: give one of them")
        return self

    def rates(self, steps: Steps, learning_rate: float, steps_per_epoch: int, total_steps: int) -> Rates:
        """The rate of each global step, counted from 0 over the whole run.

            rate[t] = first * (f + (1 - f) * t / w)    t < w, with f = warmup_from, w = the warm-up's steps
            rate[t] = curve(t - w)                     t >= w

        A pure function of its arguments, each step by itself, so a resumed run has the rates of one that never
        stopped. Steps beyond the end keep to the schedule's own rule, usually its last rate.

        Shapes: steps (n,) int64 → rates (n,) float64.
        """
        steps = np.asarray(steps, np.int64)
        warmup = self.warmup_length(steps_per_epoch)
        length = max(total_steps - warmup, 1)
        after = np.maximum(steps - warmup, 0)
        rates = self.curve(after, learning_rate, steps_per_epoch, length)
        if warmup:
            first = self.curve(np.zeros(1, np.int64), learning_rate, steps_per_epoch, length)[0]
            factor = self.warmup_from + (1.0 - self.warmup_from) * (steps / warmup)
            rates = np.where(steps < warmup, first * factor, rates)
        return rates

    def warmup_length(self, steps_per_epoch: int) -> int:
        """How many steps the warm-up takes."""
        return self.warmup_steps or round(self.warmup_epochs * steps_per_epoch)

    @abstractmethod
    def curve(self, steps: Steps, learning_rate: float, steps_per_epoch: int, total_steps: int) -> Rates:
        """The rates after the warm-up, with steps counted from its end and `total_steps` of what it leaves.

        Shapes: steps (n,) int64 ≥ 0 → rates (n,) float64.
        """


def length_in_steps(epochs: float | None, steps: int | None, steps_per_epoch: int, total_steps: int) -> float:
    """A length given in epochs or in steps, or the whole run when it is given in neither; at least one step."""
    if steps is not None:
        return max(float(steps), 1.0)
    return max(epochs * steps_per_epoch if epochs is not None else float(total_steps), 1.0)
