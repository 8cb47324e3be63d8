"""Several workers on one sweep: hired, heard, replaced when one dies, stopped together.

What a worker is, a process of this machine (`dlrun.sweep.processes`) or an actor of a Ray cluster
(`dlrun.sweep.ray_crew`), is its crew's business.
"""

from __future__ import annotations

import queue
import signal
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, Protocol

from dlrun.errors import Interrupted, RunError
from dlrun.sweep.study import Study
from dlrun.sweep.watching import Watcher, dispatch
from dlrun.training.signals import NAMES

MOST_DEATHS = 2
"""Workers that a trial may kill before it counts as failed."""
SECONDS_BETWEEN_LOOKS = 0.2
"""How often signals, and whatever a crew looks after, are seen to."""
ENDED = object()


@dataclass(frozen=True)
class Death:
    """How a worker died, and of how many such deaths a trial fails."""

    how: str
    most: int = MOST_DEATHS


class Worker(ABC):
    """Works on one trial after the other until nothing is left, somewhere; `trial` is the one that it has now."""

    trial: int | None = None

    @abstractmethod
    def messages(self) -> Iterator[Any]:
        """Yield what the worker says until it has ended; runs in a thread of its own."""

    @abstractmethod
    def take(self, message: Any, watcher: Watcher) -> None:
        """Act on what the worker said."""

    @abstractmethod
    def stop(self, at_once: bool) -> None:
        """Let the worker end, after the training's step and with a checkpoint, or at once."""

    @abstractmethod
    def kill(self) -> None:
        """Leave nothing of the worker behind."""

    @abstractmethod
    def death(self) -> Death | None:
        """Return how the worker died; None where it ended as it should."""

    def hear(self, line: str, watcher: Watcher) -> None:
        """Tell the watcher a line of the worker's `Teller`; know the trial by it."""
        content = dispatch(watcher, line)
        if content.get("event") == "started":
            self.trial = content["trial"]
        elif content.get("event") == "ended":
            self.trial = None


class Crew(Protocol):
    """Where workers come from."""

    @property
    def help(self) -> str:
        """Where to look when workers die before they begin."""

    def wanted(self) -> int:
        """Return how many workers there should be now."""

    def hire(self) -> Worker:
        """Return a worker that has just been started."""

    def tend(self, watcher: Watcher) -> None:
        """Do what is to be done now and then."""


class Pool:
    """Runs a crew's workers on a sweep until nothing is left."""

    def __init__(self, study: Study, crew: Crew, watcher: Watcher) -> None:
        self.study, self.crew, self.watcher = study, crew, watcher
        self._messages: queue.Queue[tuple[Worker, Any]] = queue.Queue()
        self._workers: list[Worker] = []
        self._deaths: dict[int | None, int] = {}
        self._nothing_left = False
        self._signals = self._passed_on = 0

    def run(self) -> None:
        """Work to the end. Raises: Interrupted, after a signal was passed on; RunError where workers don't start."""
        looked = 0.0
        with self._counting_signals():
            try:
                while self._workers or not (self._nothing_left or self._signals):
                    if time.monotonic() - looked >= SECONDS_BETWEEN_LOOKS:
                        looked = time.monotonic()
                        self._look()
                    self._hear()
            finally:
                for worker in self._workers:
                    worker.kill()
        if self._signals:
            raise Interrupted("the sweep was stopped")

    def _look(self) -> None:
        """Pass signals on, or see to it that there are workers and that they have work."""
        if self._signals > self._passed_on:
            self._passed_on = self._signals
            for worker in self._workers:
                worker.stop(at_once=self._signals > 2)
        if self._signals:
            return
        while not self._nothing_left and len(self._workers) < self.crew.wanted():
            worker = self.crew.hire()
            self._workers.append(worker)
            threading.Thread(target=self._listen, args=(worker,), daemon=True).start()
        self.crew.tend(self.watcher)

    def _listen(self, worker: Worker) -> None:
        for message in worker.messages():
            self._messages.put((worker, message))
        self._messages.put((worker, ENDED))

    def _hear(self) -> None:
        try:
            worker, message = self._messages.get(timeout=SECONDS_BETWEEN_LOOKS)
        except queue.Empty:
            return
        if message is ENDED:
            self._workers.remove(worker)
            self._ended(worker)
        else:
            worker.take(message, self.watcher)

    def _ended(self, worker: Worker) -> None:
        """Learn from a worker's end that nothing is left, or that it died; a trial that kills its workers fails."""
        death = worker.death()
        if self._signals:
            return
        if death is None:
            self._nothing_left = True
            return
        deaths = self._deaths[worker.trial] = self._deaths.get(worker.trial, 0) + 1
        if worker.trial is None and deaths >= MOST_DEATHS:
            raise RunError(f"a worker process died before it began a trial: {death.how}", self.crew.help)
        if worker.trial is not None and deaths >= death.most:
            reason = f"its process died {deaths} times: {death.how}"
            self.study.fail(worker.trial, reason)
            self.watcher.ended(worker.trial, "failed", None, None, reason)
        elif worker.trial is not None:
            self.watcher.note(f"trial {worker.trial}: its process died ({death.how}); it is taken up again")

    @contextmanager
    def _counting_signals(self) -> Iterator[None]:
        """Count Ctrl-C and its relatives, which are for this process to pass on."""
        kept: dict[int, Any] = {}
        try:
            for number in (getattr(signal, name) for name in NAMES if hasattr(signal, name)):
                if signal.getsignal(number) != signal.SIG_IGN:
                    kept[number] = signal.signal(number, self._receive)
        except ValueError:  # not the main thread: the caller handles signals
            pass
        try:
            yield
        finally:
            for number, handler in kept.items():
                signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self._signals += 1
