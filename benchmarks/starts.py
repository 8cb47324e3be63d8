"""Starts: from a process's start to its first step, cold and warm; libraries' imports alone; dlrun's own command."""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.contender import Job, cache_environment
from benchmarks.figures import Starts
from benchmarks.measure import Effort, Say, make_job
from benchmarks.processes import Worker, seconds_to_line
from benchmarks.suite import Case

REPEATS = 3
IMPORTS = {
    "pytorch": "import torch",
    "jax": "import jax, optax",
    "keras": "import os; os.environ.update(KERAS_BACKEND='tensorflow', TF_CPP_MIN_LOG_LEVEL='3'); import keras",
}
"""What a program of each library begins with."""


def measure_starts(case: Case, names: Sequence[str], effort: Effort, say: Say) -> Starts:
    """Measure a network's starts: cold once, with empty folders of compiled code, warm several times."""
    found = Starts(case.name, REPEATS)
    with tempfile.TemporaryDirectory() as folder:
        job, _ = make_job(case, Path(folder), case.batches[0], effort)
        for name in names:
            say(f"  start of {name}")
            _measure_worker(found, name, job, Path(folder))
            if name in IMPORTS and name in found.warm:
                command = [sys.executable, "-c", f"{IMPORTS[name]}; print('imported', flush=True)"]
                found.imports[name] = statistics.median(
                    seconds_to_line(command, "imported", {}) for _ in range(REPEATS)
                )
        if "dlrun" in names:
            say("  start of dlrun train")
            _measure_command(found, case, effort.threads, Path(folder))
    return found


def _measure_worker(found: Starts, name: str, job: Job, folder: Path) -> None:
    extra = cache_environment(name, str(folder / f"cache-{name}"))
    seconds = []
    for _ in range(1 + REPEATS):
        with Worker(name, job, extra) as worker:
            if worker.skipped is not None:
                return
            seconds.append(worker.start_seconds)
    found.cold[name], found.warm[name] = seconds[0], statistics.median(seconds[1:])


def _measure_command(found: Starts, case: Case, threads: int, folder: Path) -> None:
    """Measure the command on the config's own data, whole: the line that it waits for stands before the first step."""
    options = ["training.max_steps=1", f"training.threads={threads}", "--runs", str(folder / "runs")]
    command = [sys.executable, "-m", "dlrun", "train", case.config, *options]
    extra = {"DLRUN_CACHE": str(folder / "command")}
    seconds = [seconds_to_line(command, "training ", extra) for _ in range(1 + REPEATS)]
    found.command = {"cold": seconds[0], "warm": statistics.median(seconds[1:])}
