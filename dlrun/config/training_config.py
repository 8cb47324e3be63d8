"""How long and in what steps a network is trained, and what is kept of it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from dlrun.config.duration import Duration
from dlrun.registry import Spec

Mode = Literal["auto", "min", "max"]
Positive = Annotated[int, Field(gt=0)]


class EarlyStopping(Spec):
    """Stops the training when what it monitors no longer improves."""

    monitor: str = "validation/loss"
    """What is watched: train/loss, validation/loss, or a metric of the config as train/NAME or validation/NAME."""
    patience: int = Field(default=0, ge=0)
    """The number of validations without improvement after which training stops."""
    min_delta: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """The least change that counts as an improvement."""
    mode: Mode = "auto"
    """Whether smaller (min) or larger (max) is better; auto knows it from what is monitored."""
    restore_best_weights: bool = False
    """Whether the weights of the best epoch are put back at the end."""
    start_from_epoch: int = Field(default=0, ge=0)
    """The number of epochs before watching begins."""


class BestCheckpoint(Spec):
    """Keeps the checkpoint of the best epoch."""

    monitor: str | None = None
    """What is watched; validation/loss where there are validation rows, otherwise train/loss."""
    mode: Mode = "auto"
    """Whether smaller (min) or larger (max) is better; auto knows it from what is monitored."""


class CheckpointsConfig(Spec):
    """Which checkpoints are kept."""

    last: bool = True
    """Whether the state after the last epoch is kept, from which a run can be resumed."""
    best: BestCheckpoint | None = BestCheckpoint()
    """What makes an epoch the best; null keeps no best checkpoint."""
    every: Positive | None = None
    """The number of epochs between checkpoints that are kept for good; none when left out."""


class TrainingConfig(Spec):
    """How long and in what steps the network is trained."""

    epochs: Positive = 10
    """The number of passes over the training rows."""
    max_steps: Positive | None = None
    """The number of steps after which training stops, whatever `epochs` says."""
    max_time: Duration | None = None
    """The time after which training stops, in seconds, or as in 45s, 10m, 1h30m."""
    batch_size: Positive | Literal["full"] = 32
    """The number of rows in a step; 'full' takes them all, which is batch gradient descent."""
    buckets: Annotated[tuple[Positive, ...], Field(min_length=1)] | None = None
    """Lengths in tokens, such as [16, 24]: a batch is of rows of about the same length, and what is beyond the next of
    these lengths, where all of its rows are padded, is left out. None when left out."""
    shuffle: bool = True
    """Whether the training rows are shuffled anew for every epoch."""
    drop_last: bool = False
    """Whether a last batch that isn't full is left out."""
    validate_every: Positive = 1
    """The number of epochs from one validation to the next."""
    early_stopping: EarlyStopping | None = None
    """When to stop before the last epoch; never when left out."""
    checkpoints: CheckpointsConfig = CheckpointsConfig()
    """Which checkpoints are kept."""
    threads: Positive | Literal["auto"] = "auto"
    """The number of threads; 'auto' takes one for each core, fewer for small steps. The results don't depend on it."""

    @field_validator("batch_size", mode="before")
    @classmethod
    def _not_chosen_by_the_clock(cls, size: object) -> object:
        # What is fastest depends on the machine and its other work: a run that looked would no longer be repeatable.
        if size == "auto":
            raise ValueError("'auto' is no batch size: dlrun find-batch-size CONFIG measures which one is fastest")
        return size

    @field_validator("buckets")
    @classmethod
    def _ascending(cls, buckets: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if buckets is not None and list(buckets) != sorted(set(buckets)):
            raise ValueError("the lengths must grow, as in [16, 24]")
        return buckets
