"""Speeds: all contenders of a network ready at once, asked in turns, several rounds, medians."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contender import CONTENDERS, Job
from benchmarks.data import overrides, write_rows
from benchmarks.figures import Comparison, Figures
from benchmarks.machine import product_ceiling
from benchmarks.processes import ROOT, Worker
from benchmarks.reading import network_of, read_config
from benchmarks.suite import Case
from dlrun.training.fit import compile_only

PAUSE = 0.3
"""Seconds between turns, in which the last contender's threads stop spinning."""
Say = Callable[[str], None]


@dataclass(frozen=True)
class Effort:
    """How much is measured: rounds, about how many seconds a turn takes, rows of data, threads."""

    rounds: int
    seconds: float
    rows: int
    threads: int


def make_job(case: Case, folder: Path, batch: int, effort: Effort, task: str = "train") -> tuple[Job, str]:
    """Write a case's rows into a folder; return the job, and what the rows are."""
    config = read_config(ROOT / case.config).config
    file = folder / f"{case.name}.npz"
    what = write_rows(config, max(effort.rows, batch), file)
    return Job(str(ROOT / case.config), network_of(config).text(), str(file), batch, effort.threads, task), what


def compare(case: Case, batch: int, task: str, names: Sequence[str], effort: Effort, say: Say) -> Comparison:
    """Measure a network. `say` is told what is going on."""
    with tempfile.TemporaryDirectory() as folder:
        job, what = make_job(case, Path(folder), batch, effort, task)
        figures = [Figures(name) for name in names]
        ceiling = measure_speeds(figures, job, effort, say)
        flops = flops_of(job)
    return Comparison(case.name, case.config, task, batch, effort.threads, what, flops, ceiling, figures)


def flops_of(job: Job) -> float:
    """Return the floating-point operations of a sample in dlrun's plan of the task."""
    graph, plan = compile_only(read_config(job.config, overrides(job.batch, job.threads)))
    if job.task == "train":
        return sum(call.flops for call in plan.calls) / plan.batch
    return sum(node.layer.flops(*node.input_shapes) for node in graph.nodes.values())


def measure_speeds(figures: Sequence[Figures], job: Job, effort: Effort, say: Say) -> float:
    """Ask all contenders in turns; each waits, without work, while another is measured.

    Returns the machine's ceiling (FLOP/s), the best of the rounds: whoever else uses the machine lowers it too.
    """
    ceilings = [0.0]
    with ExitStack() as stack:
        ready: list[tuple[Figures, Worker]] = []
        for entry in figures:
            say(f"  {entry.contender} gets ready")
            worker = stack.enter_context(Worker(entry.contender, job))
            entry.skipped, entry.versions = worker.skipped, worker.versions or ""
            if worker.skipped is None:
                ready.append((entry, worker))
        for number in range(effort.rounds):
            say(f"  round {number + 1} of {effort.rounds}")
            ceilings.append(product_ceiling(job.threads))
            for entry, worker in ready:
                time.sleep(PAUSE)
                worker.ask(seconds=effort.seconds)
                found = worker.answer()
                entry.speeds.append(found["speed"])
                entry.peak_bytes = found["peak"]
    return max(ceilings)


def known(names: Sequence[str]) -> list[str]:
    """Return the contenders' names. Raises ValueError for one that doesn't exist."""
    for name in names:
        if name not in CONTENDERS:
            raise ValueError(f"no contender {name!r}: there are {', '.join(CONTENDERS)}")
    return list(names)
