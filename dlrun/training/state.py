"""Where a training is: what a checkpoint must hold beside the arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from dlrun.config.training_config import TrainingConfig


@dataclass(frozen=True)
class TrainingState:
    """How far a training has come. JSON-able.

    `step` counts all steps, `epoch` the finished epochs; `step_of_epoch` the steps done in the epoch that is running.
    `seconds` are those of the running epoch's steps, `train_seconds` of all. `best` is the monitored value of the best
    epoch, `waited` the validations without improvement. `plateau` is the state of reduce_on_plateau.
    """

    step: int = 0
    epoch: int = 0
    step_of_epoch: int = 0
    seconds: float = 0.0
    train_seconds: float = 0.0
    best: float | None = None
    best_epoch: int | None = None
    best_row: Mapping[str, Any] = field(default_factory=dict)
    early_best: float | None = None
    waited: int = 0
    plateau: Mapping[str, Any] | None = None

    def changed(self, **changes: Any) -> TrainingState:
        """Return a copy with some fields changed."""
        return replace(self, **changes)

    def to_json(self) -> dict[str, Any]:
        """Return the state as JSON-able values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> TrainingState:
        """Return the state that `to_json` wrote. Raises TypeError for unknown fields."""
        return cls(**values)


def reason_to_end(state: TrainingState, training: TrainingConfig) -> str | None:
    """Return why no step comes after this state, if none does."""
    early = training.early_stopping
    if early is not None and state.waited >= max(early.patience, 1):
        return "early_stopping"
    if state.epoch >= training.epochs:
        return "finished"
    if training.max_steps is not None and state.step >= training.max_steps:
        return "max_steps"
    if training.max_time is not None and state.train_seconds >= training.max_time:
        return "max_time"
    return None


@dataclass(frozen=True)
class Monitor:
    """Decides whether a value is better than the best so far."""

    name: str
    larger_is_better: bool
    min_delta: float = 0.0

    def is_better(self, value: float, best: float | None) -> bool:
        """Return whether `value` improves on `best` by more than min_delta; NaN never does."""
        if value != value:
            return False
        if best is None:
            return True
        return value > best + self.min_delta if self.larger_is_better else value < best - self.min_delta
