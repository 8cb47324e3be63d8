"""Several worker processes on one sweep: started, watched, replaced when one dies, stopped together."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

from dlrun.errors import Interrupted, RunError
from dlrun.kernels.target import CORES, available_cores
from dlrun.sweep.study import Study
from dlrun.sweep.watching import Watcher, dispatch
from dlrun.sweep.worker import INTERRUPTED
from dlrun.training.signals import NAMES

MOST_DEATHS = 2
"""Processes that a trial may kill before it counts as failed."""


@dataclass
class Worker:
    """A process and the trial that it works on, if any."""

    process: subprocess.Popen[str]
    trial: int | None = None


class Pool:
    """Runs `jobs` workers on a sweep until nothing is left."""

    def __init__(self, study: Study, jobs: int, budget: int, watcher: Watcher) -> None:
        self.study, self.folder, self.jobs, self.budget, self.watcher = study, study.folder, jobs, budget, watcher
        self._lines: queue.Queue[tuple[Worker, str | None]] = queue.Queue()
        self._workers: list[Worker] = []
        self._deaths: dict[int | None, int] = {}
        self._signals = 0

    def run(self) -> None:
        """Work to the end. Raises: Interrupted, after a signal was passed on; RunError where workers don't start."""
        with self._passing_signals():
            try:
                for _ in range(self.jobs):
                    self._start()
                while self._workers:
                    self._hear()
            finally:
                for worker in self._workers:
                    worker.process.kill()
        if self._signals:
            raise Interrupted("the sweep was stopped")

    def _start(self) -> None:
        with self.folder.worker_log.open("a", encoding="utf-8") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "dlrun.sweep.worker", str(self.folder.path), str(self.budget)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, encoding="utf-8",
                env=environment(self.jobs),
                start_new_session=True,  # Ctrl-C is this process's to pass on
            )  # fmt: skip
        worker = Worker(process)
        self._workers.append(worker)
        threading.Thread(target=self._read, args=(worker,), daemon=True).start()

    def _read(self, worker: Worker) -> None:
        assert worker.process.stdout is not None
        for line in worker.process.stdout:
            self._lines.put((worker, line))
        worker.process.wait()
        self._lines.put((worker, None))

    def _hear(self) -> None:
        try:
            worker, line = self._lines.get(timeout=0.2)  # signals are handled between two of these
        except queue.Empty:
            return
        if line is None:
            self._workers.remove(worker)
            self._ended(worker)
            return
        content = dispatch(self.watcher, line)
        if content.get("event") == "started":
            worker.trial = content["trial"]
        elif content.get("event") == "ended":
            worker.trial = None

    def _ended(self, worker: Worker) -> None:
        """Replace a worker that died; a trial that kills its workers counts as failed."""
        code = worker.process.returncode
        if code in (0, INTERRUPTED) or self._signals:
            return
        how = f"killed by {_signal_name(-code)}" if code < 0 else f"exit code {code}"
        deaths = self._deaths[worker.trial] = self._deaths.get(worker.trial, 0) + 1
        if worker.trial is None and deaths >= MOST_DEATHS:
            raise RunError(f"a worker process died before it began a trial: {how}", f"see {self.folder.worker_log}")
        if worker.trial is not None and deaths >= MOST_DEATHS:
            reason = f"its process died {deaths} times: {how}"
            self.study.fail(worker.trial, reason)
            self.watcher.ended(worker.trial, "failed", None, None, reason)
        elif worker.trial is not None:
            self.watcher.note(f"trial {worker.trial}: its process died ({how}); it is taken up again")
        self._start()

    @contextmanager
    def _passing_signals(self) -> Iterator[None]:
        """Pass Ctrl-C and its relatives on to the workers."""
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
        for worker in self._workers:
            if worker.process.poll() is None:
                worker.process.send_signal(signal.SIGINT if self._signals < 3 else signal.SIGKILL)


def environment(jobs: int) -> dict[str, str]:
    """Return the environment of a worker: the cores are divided among them."""
    return {**os.environ, CORES: str(max(1, available_cores() // jobs))}


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
