"""A learning rate that falls when a monitored value no longer gets better."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from dlrun.schedules.base import Rates, Schedule, Steps


@dataclass(frozen=True)
class Plateau:
    """What reduce_on_plateau remembers from one value to the next; a checkpoint carries it as JSON."""

    factor: float = 1.0
    """What the learning rate is multiplied by."""
    best: float | None = None
    """The best value so far."""
    wait: int = 0
    """How many values in a row were no better than the best."""
    cooldown: int = 0
    """How many values are still to pass before they count again."""

    def to_json(self) -> dict[str, Any]:
        """A JSON-able mapping."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Plateau:
        """The state that `to_json` gave."""
        return cls(**values)


class ReduceOnPlateau(Schedule):
    """Multiplies the learning rate by `factor` when `monitor` hasn't got better for `patience` values in a row.

    Keras's ReduceLROnPlateau: the rate falls at the patience-th value that is no better (PyTorch's falls one later).
    The values of the cooldown are not counted at all, as in PyTorch (Keras counts its last one).
    """

    aliases: ClassVar[Mapping[str, str | tuple[str, ...]]] = {"min_lr": "min_learning_rate"}

    type: Literal["reduce_on_plateau"] = "reduce_on_plateau"
    monitor: str = "validation/loss"
    """Which value is watched, by its column in metrics.csv."""
    factor: float = Field(0.1, gt=0, lt=1)
    """What the rate is multiplied by."""
    patience: int = Field(10, ge=1)
    """How many values in a row may be no better until the rate falls."""
    min_delta: float = Field(1e-4, ge=0, allow_inf_nan=False)
    """How much better than the best a value must be to count as better."""
    cooldown: int = Field(0, ge=0)
    """How many values don't count after the rate fell."""
    min_learning_rate: float = Field(0.0, ge=0, allow_inf_nan=False)
    """The rate never falls below this."""
    mode: Literal["auto", "min", "max"] = "auto"
    """Whether a smaller or a larger value is better; auto asks the monitored metric."""

    def curve(self, steps: Steps, learning_rate: float, steps_per_epoch: int, total_steps: int) -> Rates:
        """rate[t] = learning_rate: what falls is the factor that `apply` brings in."""
        return np.full(len(steps), learning_rate, np.float64)

    def start(self) -> Plateau:
        """The state before the first value."""
        return Plateau()

    def update(self, state: Plateau, value: float) -> Plateau:
        """The state after one more value of the monitor; NaN is no better than anything."""
        resting = state.cooldown > 0
        cooldown = max(state.cooldown - 1, 0)
        if self._is_better(value, state.best):
            return Plateau(state.factor, float(value), 0, cooldown)
        wait = 0 if resting else state.wait + 1
        if wait < self.patience:
            return Plateau(state.factor, state.best, wait, cooldown)
        return Plateau(state.factor * self.factor, state.best, 0, self.cooldown)

    def apply(self, rates: Rates, state: Plateau) -> Rates:
        """The rates times the state's factor, not below min_learning_rate (nor above what they were)."""
        return np.maximum(rates * state.factor, np.minimum(rates, self.min_learning_rate))

    def _is_better(self, value: float, best: float | None) -> bool:
        if best is None:
            return not np.isnan(value)
        return value > best + self.min_delta if self._larger_is_better() else value < best - self.min_delta

    def _larger_is_better(self) -> bool:
        if self.mode != "auto":
            return self.mode == "max"
        from dlrun.metrics import direction_of

        return direction_of(self.monitor) == "max"
