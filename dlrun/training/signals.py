"""Ctrl-C and its relatives."""

from __future__ import annotations

import signal
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dlrun.training.trainer import Trainer

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
"""Ctrl-C, a polite kill, and a terminal that was closed (unless that is ignored, as under nohup)."""


class Stopper:
    """Turns signals into an orderly end while it is entered, in the main thread.

    The first ends the training after its step, with a checkpoint; the second at once, without one, as does the first
    before `trainer` is set: both raise KeyboardInterrupt. The third one kills the process, whatever it is doing.
    When the training has ended, the first one changes nothing. Signals are heard between steps and between long calls
    of a step: those that come during one call count as one.
    """

    def __init__(self) -> None:
        self.trainer: Trainer | None = None
        self.has_ended = False
        self.received = 0
        self._kept: dict[int, Any] = {}

    def __enter__(self) -> Stopper:
        try:
            for number in (getattr(signal, name) for name in NAMES if hasattr(signal, name)):
                if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                    self._kept[number] = signal.signal(number, self._receive)
        except ValueError:  # not the main thread: the caller handles signals
            self._kept.clear()
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._kept.items():
            signal.signal(number, handler)

    def end(self) -> None:
        """Let go of the trainer, which has ended."""
        self.trainer, self.has_ended = None, True

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.received += 1
        if self.received == 1 and (self.trainer is not None or self.has_ended):
            if self.trainer is not None:
                self.trainer.stop("interrupted")
            return
        for each in self._kept:
            signal.signal(each, signal.SIG_DFL)
        raise KeyboardInterrupt
