"""What happens during a run, told to whoever listens: the terminal, the run directory, a test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Progress:
    """Where the training is in the middle of an epoch. `loss` is the mean over the epoch's samples so far."""

    epoch: int
    epochs: int
    step: int
    steps: int
    samples_per_second: float
    loss: float
    learning_rate: float
    seconds_left: float


@dataclass(frozen=True)
class EpochResult:
    """An epoch's row of metrics.csv, and whether it is the best so far."""

    row: Mapping[str, float | int]
    is_best: bool = False
    partial: bool = False


@dataclass(frozen=True)
class Start:
    """What is about to be trained."""

    parameters: int
    training_rows: int
    validation_rows: int
    steps_per_epoch: int
    epochs: int
    first_epoch: int
    threads: int
    notes: Sequence[str] = field(default_factory=tuple)


class Listener:
    """Hears of a run's events; does nothing unless a method is overridden."""

    def compiling(self, kernel: str, done: int, total: int) -> None:
        """Hear that a kernel is about to be compiled."""

    def start(self, start: Start) -> None:
        """Hear that the first step comes next."""

    def progress(self, progress: Progress) -> None:
        """Hear of a few steps more."""

    def validating(self, split: str) -> None:
        """Hear that a split is about to be evaluated."""

    def epoch(self, result: EpochResult) -> None:
        """Hear that an epoch is over."""

    def note(self, text: str) -> None:
        """Hear something the user should know."""


class Listeners(Listener):
    """Passes every event on to several listeners."""

    def __init__(self, *listeners: Listener) -> None:
        self.listeners = listeners

    def compiling(self, kernel: str, done: int, total: int) -> None:
        """Pass on."""
        for listener in self.listeners:
            listener.compiling(kernel, done, total)

    def start(self, start: Start) -> None:
        """Pass on."""
        for listener in self.listeners:
            listener.start(start)

    def progress(self, progress: Progress) -> None:
        """Pass on."""
        for listener in self.listeners:
            listener.progress(progress)

    def validating(self, split: str) -> None:
        """Pass on."""
        for listener in self.listeners:
            listener.validating(split)

    def epoch(self, result: EpochResult) -> None:
        """Pass on."""
        for listener in self.listeners:
            listener.epoch(result)

    def note(self, text: str) -> None:
        """Pass on."""
        for listener in self.listeners:
            listener.note(text)
