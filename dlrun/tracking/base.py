"""What every tracker has in a config, and what a training asks of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dlrun.registry import Component

Outcome = Literal["finished", "failed", "killed"]


@dataclass(frozen=True)
class RunFacts:
    """What a tracker is told of a run when it begins: `group` names the experiment where the config doesn't."""

    name: str
    group: str
    parameters: Mapping[str, str]
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Point:
    """The measures of a step, and when they were made, in milliseconds since 1970."""

    step: int
    time: int
    values: Mapping[str, float]


class Sender(ABC):
    """One run in a tracker. All of its methods raise TrackingError where the tracker can't be reached, or refuses."""

    id: str
    """What the tracker calls the run; with it another process goes on with it."""
    notes: tuple[str, ...] = ()
    """What the user should know of how it began."""

    @abstractmethod
    def send(self, points: Sequence[Point], tags: Mapping[str, str]) -> None:
        """Add measures and tags."""

    @abstractmethod
    def upload(self, files: Sequence[tuple[Path, str]]) -> None:
        """Add files, each with the folder it belongs into ("" is the topmost)."""

    @abstractmethod
    def end(self, outcome: Outcome) -> None:
        """Say how the run ended."""


class Tracker(Component):
    """Where a run's parameters and metrics are sent while it trains."""

    artifacts: bool = True
    """Whether the run's config, plan, metrics, curves and best checkpoint are sent at its end."""

    @abstractmethod
    def reach(self) -> None:
        """Raise TrackingError where the tracker can't be reached, MissingExtra where its package is missing."""

    @abstractmethod
    def start(self, facts: RunFacts, known: str | None = None) -> Sender:
        """Begin a run, or go on with the one that is `known` by its id. Raises TrackingError, MissingExtra."""
