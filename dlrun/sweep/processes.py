"""A crew of processes on this machine, which share its cores and claim their trials themselves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from dlrun.kernels.target import CORES, available_cores
from dlrun.sweep.folder import SweepFolder
from dlrun.sweep.pool import Death, Worker
from dlrun.sweep.watching import Watcher


class Processes:
    """Hires `jobs` processes for a sweep's folder."""

    def __init__(self, folder: SweepFolder, jobs: int, budget: int) -> None:
        self.folder, self.jobs, self.budget = folder, jobs, budget

    @property
    def help(self) -> str:
        """Where processes write their errors."""
        return f"see {self.folder.worker_log}"

    def wanted(self) -> int:
        """Return the number of jobs."""
        return self.jobs

    def hire(self) -> Process:
        """Start a process."""
        return Process(self.folder, self.jobs, self.budget)

    def tend(self, watcher: Watcher) -> None:
        """Do nothing: processes look after themselves."""


class Process(Worker):
    """`python -m dlrun.sweep.worker`, which says its events as lines."""

    def __init__(self, folder: SweepFolder, jobs: int, budget: int) -> None:
        with folder.worker_log.open("a", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "dlrun.sweep.worker", str(folder.path), str(budget)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, encoding="utf-8",
                env=environment(jobs),
                start_new_session=True,  # Ctrl-C is for the command to pass on
            )  # fmt: skip

    def messages(self) -> Iterator[str]:
        """Yield the lines."""
        assert self.process.stdout is not None
        yield from self.process.stdout
        self.process.wait()

    def take(self, message: Any, watcher: Watcher) -> None:
        """Tell the watcher."""
        self.hear(message, watcher)

    def stop(self, at_once: bool) -> None:
        """Send Ctrl-C, which ends a training at once when it comes again; or kill."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL if at_once else signal.SIGINT)

    def kill(self) -> None:
        """Kill."""
        self.process.kill()

    def death(self) -> Death | None:
        """Return the signal or the exit code; an interruption that the command didn't pass on is a death too."""
        code = self.process.returncode
        if code == 0:
            return None
        return Death(f"killed by {_signal_name(-code)}" if code < 0 else f"exit code {code}")


def environment(jobs: int) -> dict[str, str]:
    """Return the environment of a worker: the cores are divided among them."""
    return {**os.environ, CORES: str(cores_of_each(jobs))}


def cores_of_each(jobs: int) -> int:
    """Return how many cores each of so many processes has."""
    return max(1, available_cores() // jobs)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
