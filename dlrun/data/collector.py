"""All problems of a config at once, not one at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from dlrun.errors import ConfigError, Problem

T = TypeVar("T")
R = TypeVar("R")


class Collector:
    """Goes on after a ConfigError and raises what it met together."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def each(self, items: Mapping[str, T], make: Callable[[str, T], R]) -> dict[str, R]:
        """`make(name, item)` of each item, those left out that have problems."""
        made = {}
        for name, item in items.items():
            try:
                made[name] = make(name, item)
            except ConfigError as error:
                self.problems += error.problems
        return made

    def raise_problems(self) -> None:
        """Raises ConfigError where there were any."""
        if self.problems:
            raise ConfigError(self.problems)
