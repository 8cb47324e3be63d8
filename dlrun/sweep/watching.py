"""What happens in a sweep, told to whoever watches: a terminal, or the command that started a worker process."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from typing import Any

SECONDS_BETWEEN = 0.1
"""Epochs of milliseconds aren't worth a message each."""


class Watcher:
    """Hears of a sweep's events; does nothing unless a method is overridden. Trials are known by their numbers."""

    def __enter__(self) -> Watcher:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nothing behind."""

    def started(self, trial: int, key: str, parameters: str, epochs: int) -> None:
        """Hear that a trial begins, or goes on."""

    def compiling(self, trial: int, kernel: str, done: int, total: int) -> None:
        """Hear that a kernel is about to be compiled."""

    def epoch(self, trial: int, epoch: int, value: float, best: float) -> None:
        """Hear of an epoch's value, and of the trial's best so far."""

    def ended(self, trial: int, how: str, value: float | None, epoch: int | None, reason: str) -> None:
        """Hear that a trial is "finished", "pruned", "failed" or "stopped"."""

    def waiting(self) -> None:
        """Hear that other processes work on all that is left."""

    def note(self, text: str) -> None:
        """Hear something that the user should know."""


class Teller(Watcher):
    """Sends events on as lines of JSON; `dispatch` reads them."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._last = 0.0

    def _tell(self, event: str, **content: Any) -> None:
        self._write(json.dumps({"event": event, **content}) + "\n")

    def started(self, trial: int, key: str, parameters: str, epochs: int) -> None:
        """Send on."""
        self._tell("started", trial=trial, key=key, parameters=parameters, epochs=epochs)

    def compiling(self, trial: int, kernel: str, done: int, total: int) -> None:
        """Send on."""
        self._tell("compiling", trial=trial, kernel=kernel, done=done, total=total)

    def epoch(self, trial: int, epoch: int, value: float, best: float) -> None:
        """Send on, now and then."""
        if time.monotonic() - self._last >= SECONDS_BETWEEN:
            self._last = time.monotonic()
            self._tell("epoch", trial=trial, epoch=epoch, value=value, best=best)

    def ended(self, trial: int, how: str, value: float | None, epoch: int | None, reason: str) -> None:
        """Send on."""
        self._tell("ended", trial=trial, how=how, value=value, epoch=epoch, reason=reason)

    def waiting(self) -> None:
        """Send on."""
        self._tell("waiting")

    def note(self, text: str) -> None:
        """Send on."""
        self._tell("note", text=text)


def dispatch(watcher: Watcher, line: str) -> Mapping[str, Any]:
    """Tell a watcher what a line of a Teller says; return its content, empty where it is none."""
    try:
        content = json.loads(line)
        event = content["event"]
    except (ValueError, KeyError, TypeError):
        return {}
    getattr(watcher, event)(**{name: value for name, value in content.items() if name != "event"})
    return dict(content)


def is_better(value: float, best: float, maximizes: bool) -> bool:
    """Return whether a value is better than the best so far; NaN never is, anything is better than NaN."""
    if math.isnan(value):
        return False
    return math.isnan(best) or (value > best if maximizes else value < best)
