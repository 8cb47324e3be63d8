"""Four networks trained at once in four processes, against one after the other: do waiting threads yield?"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from benchmarks.contender import Job
from benchmarks.figures import Together
from benchmarks.measure import PAUSE, Effort, Say, make_job
from benchmarks.processes import Worker
from benchmarks.suite import MAIN, Case

AFTER, AT_ONCE, CROWDED = "one after the other", "at once, 1 thread each", "at once"


def measure_together(effort: Effort, say: Say, cases: Sequence[Case] = MAIN) -> Together:
    """Train each network for steps that take about three turns alone; return the seconds of each way, all rounds."""
    cores = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        jobs = {case.name: replace(make_job(case, Path(folder), 32, effort)[0], cores=cores) for case in cases}
        say("  getting ready")
        many = {name: stack.enter_context(worker(job)) for name, job in jobs.items()}
        single = {name: stack.enter_context(worker(replace(job, threads=1))) for name, job in jobs.items()}
        steps = {name: _steps(many[name], jobs[name], 3 * effort.seconds) for name in jobs}
        ways: dict[str, Callable[[], float]] = {
            f"{AFTER}, {effort.threads} threads": lambda: _one_by_one(many, steps),
            AT_ONCE: lambda: _at_once(single, steps),
            f"{CROWDED}, {effort.threads} threads each": lambda: _at_once(many, steps),
        }
        found = Together(steps, {way: [] for way in ways})
        for number in range(effort.rounds):
            say(f"  round {number + 1} of {effort.rounds}")
            for way, run in ways.items():
                time.sleep(PAUSE)
                found.seconds[way].append(run())
    return found


def worker(job: Job) -> Worker:
    """Return dlrun's process for a job, ready. Raises RuntimeError if it can't do it."""
    made = Worker("dlrun", job)
    if made.skipped is not None:
        made.close()
        raise RuntimeError(f"dlrun can't train {job.config}: {made.skipped}")
    return made


def _steps(of: Worker, job: Job, seconds: float) -> int:
    of.ask(seconds=seconds / 3)
    return max(1, round(seconds * float(of.answer()["speed"]) / job.batch))


def _one_by_one(workers: Mapping[str, Worker], steps: Mapping[str, int]) -> float:
    began = time.perf_counter()
    for name, each in workers.items():
        each.ask(steps=steps[name])
        each.answer()
    return time.perf_counter() - began


def _at_once(workers: Mapping[str, Worker], steps: Mapping[str, int]) -> float:
    began = time.perf_counter()
    for name, each in workers.items():
        each.ask(steps=steps[name])
    for each in workers.values():
        each.answer()
    return time.perf_counter() - began
