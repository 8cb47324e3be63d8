"""The learning-rate range test: a short training whose learning rate grows from step to step.

Source: Smith, Cyclical Learning Rates for Training Neural Networks (2015), section 3.3; the growth is exponential, the
loss smoothed, and the rates are suggested, as fastai's and Lightning's finders do it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from dlrun.config.load import LoadedConfig
from dlrun.config.run_config import RunConfig
from dlrun.config.training_config import CheckpointsConfig
from dlrun.data.load import load
from dlrun.errors import ConfigError, NonFiniteError, UsageError
from dlrun.executor.executor import Array
from dlrun.schedules.exponential import Exponential
from dlrun.schedules.one_cycle import OneCycle
from dlrun.training.events import EpochResult, Listener, Progress
from dlrun.training.finetune import initialize
from dlrun.training.fit import check_fit, located
from dlrun.training.pretrained import put_vectors
from dlrun.training.rate_suggestions import divergence, smoothed, suggest
from dlrun.training.run import settle
from dlrun.training.session import Session
from dlrun.training.steps import step_losses
from dlrun.training.trainer import Trainer

FEWEST_STEPS = 20
"""Steps below which a range test says nothing."""


MANY_EPOCHS = 50
"""Passes over the training rows from which on a falling loss may be no more than their being known by heart."""


@dataclass(frozen=True)
class Range:
    """What is tried: rates from `lowest` to `highest` in so many steps; `smoothing` is the part of the mean kept."""

    lowest: float = 1e-7
    highest: float = 10.0
    steps: int = 300
    smoothing: float = 0.95

    def check(self) -> None:
        """Raise UsageError where such a range can't be tested."""
        if not 0 < self.lowest < self.highest < np.inf or not np.isfinite(self.highest / self.lowest):
            message = f"the learning rate can't grow from {self.lowest:g} to {self.highest:g}"
            raise UsageError(message, "--min is more than 0, and --max more than --min")
        if self.steps < FEWEST_STEPS:
            raise UsageError(f"{self.steps} steps are too few for a range test", f"--steps {FEWEST_STEPS} or more")
        if not 0 <= self.smoothing < 1:
            raise UsageError(f"--smoothing can't be {self.smoothing:g}", "from 0 (none) to less than 1, such as 0.95")


@dataclass(frozen=True)
class Tested:
    """Learning rates and the losses of the steps taken with them, up to where the training diverged: (n,) float64.

    `losses` are means over a step's rows, before its update.
    """

    range: Range
    rates: Array
    losses: Array
    diverged: bool
    batch_size: int
    steps_per_epoch: int
    field: str
    """The path of the field that sets the learning rate in this config."""

    @cached_property
    def smoothed(self) -> Array:
        """The losses' running mean."""
        return smoothed(self.losses, self.range.smoothing)

    @cached_property
    def suggestions(self) -> dict[str, float]:
        """The suggested rates by the names of their rules; none where the loss didn't fall."""
        return suggest(self.rates, self.losses, self.range.smoothing, self.range.steps // 10)

    @property
    def epochs(self) -> float:
        """How often the training rows were seen."""
        return len(self.losses) / self.steps_per_epoch

    @property
    def notes(self) -> list[str]:
        """What the user is to know."""
        notes = []
        if self.epochs > MANY_EPOCHS:
            notes.append(f"the same rows were seen {self.epochs:,.0f} times, which lets the loss fall, too")
        if not self.suggestions:
            end = "a smaller --min" if self.diverged else "a larger --max"
            notes.append(f"no suggestion: the loss never fell by more than it wavers; try {end}, or more --steps")
        elif not self.diverged and self.smoothed.argmin() >= len(self.losses) - self.range.steps // 20:
            notes.append(f"the loss was still falling at {self.rates[-1]:g}: a larger --max says more")
        return notes

    def override(self, rate: float) -> str:
        """Return the argument that lets `dlrun train` use a rate."""
        return f"{self.field}={rate:.2g}"

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON-able values."""
        return {
            "min": self.range.lowest, "max": self.range.highest, "steps": self.range.steps,
            "smoothing": self.range.smoothing, "batch_size": self.batch_size, "steps_per_epoch": self.steps_per_epoch,
            "diverged": self.diverged, "field": self.field, "suggestions": self.suggestions, "notes": self.notes,
            "learning_rate": self.rates, "loss": self.losses, "smoothed": self.smoothed,
        }  # fmt: skip


def range_test(loaded: LoadedConfig, range: Range, runs: Path, console: Listener | None = None) -> Tested:
    """Train the network of a config on its own data with growing learning rates; nothing is kept, nor written.

    The result is a function of config, seed and data: however many threads there are, and however often they are
    looked at. `runs` is where `initialize_from` finds runs.

    Raises: UsageError, ConfigError, DataError; NonFiniteError where the very first step has no finite loss.
    """
    range.check()
    loaded = settle(loaded, runs)
    dataset = load(loaded.config.data, loaded.config.seed)
    console = console or Listener()
    config = _config(loaded.config, range)
    try:
        validates = "validation" in dataset.splits
        dataset = replace(dataset, splits={name: split for name, split in dataset.splits.items() if name == "train"})
        watch = _Watch(range, console)
        session = Session(config, loaded.layer_paths, dataset, watch)
        check_fit(loaded.config, session.model, validates)
        trainer = watch.trainer = Trainer(session, lambda trainer, kind: None, watch)
        put_vectors(session)
    except ConfigError as error:
        raise located(loaded, error) from error
    initialize(session, config.initialize_from, runs)
    try:
        trainer.run()
    except NonFiniteError:
        watch.look(trainer.state.step_of_epoch)
        if not watch.losses:
            raise
    losses = np.array(watch.losses)
    end = divergence(smoothed(losses, range.smoothing))
    losses = losses[: len(losses) if end is None else end + 1]
    rates = trainer.learning_rates(np.arange(len(losses)))
    diverged = len(losses) < range.steps or end is not None
    return Tested(
        range, rates, losses, diverged, session.batch_size, trainer.steps_per_epoch, _field(loaded.config)
    )  # fmt: skip


def _config(config: RunConfig, range: Range) -> RunConfig:
    """Return the config with the range test's schedule and length, and nothing that would end or slow it down."""
    schedule = Exponential(decay_rate=range.highest / range.lowest, decay_steps=range.steps - 1)
    training = config.training.model_copy(
        update={
            "epochs": range.steps, "max_steps": range.steps, "max_time": None, "early_stopping": None,
            "checkpoints": CheckpointsConfig(last=False, best=None),
        }
    )  # fmt: skip
    optimizer = config.optimizer.model_copy(update={"learning_rate": range.lowest})
    return config.model_copy(
        update={"optimizer": optimizer, "schedule": schedule, "training": training, "metrics": ()}
    )  # fmt: skip


def _field(config: RunConfig) -> str:
    if isinstance(config.schedule, OneCycle) and config.schedule.max_learning_rate is not None:
        return "schedule.max_learning_rate"
    return "optimizer.learning_rate"


class _Watch(Listener):
    """Takes down each step's loss, and ends the training when it has diverged: a little later is early enough."""

    def __init__(self, range: Range, console: Listener) -> None:
        self.range, self.console = range, console
        self.losses: list[float] = []
        self.trainer: Trainer | None = None

    def look(self, steps: int) -> None:
        """Take down the losses of the running epoch's first so many steps."""
        trainer = self.trainer
        assert trainer is not None
        known = len(self.losses) - trainer.state.epoch * trainer.steps_per_epoch
        self.losses += step_losses(trainer.executor, trainer.table[known:steps]).tolist()

    def compiling(self, kernel: str, done: int, total: int) -> None:
        """Pass on."""
        self.console.compiling(kernel, done, total)

    def note(self, text: str) -> None:
        """Pass on."""
        self.console.note(text)

    def progress(self, progress: Progress) -> None:
        """Look whether the training has diverged."""
        assert self.trainer is not None
        self.look(progress.step)
        if divergence(smoothed(np.array(self.losses), self.range.smoothing)) is not None:
            self.trainer.stop("diverged")
        self.console.progress(replace(progress, epoch=1, epochs=1, step=len(self.losses), steps=self.range.steps))

    def epoch(self, result: EpochResult) -> None:
        """Take down the rest of the epoch's losses."""
        assert self.trainer is not None
        self.look(self.trainer.state.step_of_epoch)
