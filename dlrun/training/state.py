"""Where a training is: what a checkpoint must hold beside the arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any


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
    stopped_early: bool = False
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
