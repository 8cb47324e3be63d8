"""The measurement: all contenders of a network ready at once, asked in turns, several rounds, medians."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.contender import CACHE_VARIABLES, CONTENDERS, Job
from benchmarks.data import overrides, write_images
from benchmarks.machine import product_ceiling
from benchmarks.network import read_config
from benchmarks.processes import Worker, command_seconds
from dlrun.training.fit import compile_only

PAUSE = 0.3
"""Seconds between turns, in which the last contender's threads stop spinning."""
Say = Callable[[str], None]


@dataclass
class Figures:
    """What was measured of one contender on one network; seconds are from its process's start to its first step."""

    contender: str
    versions: str = ""
    skipped: str | None = None
    speeds: list[float] = field(default_factory=list)
    peak_bytes: int = 0
    cold_seconds: float | None = None
    warm_seconds: float | None = None
    command_cold_seconds: float | None = None
    command_warm_seconds: float | None = None

    @property
    def speed(self) -> float:
        """The median of the rounds, in samples per second."""
        return statistics.median(self.speeds)


@dataclass
class Comparison:
    """All contenders on one network with one batch size."""

    config: str
    batch: int
    threads: int
    data: str
    flops_per_sample: float
    ceiling: float
    figures: list[Figures]


@dataclass(frozen=True)
class Effort:
    """How much is measured: rounds, seconds a turn, rows of data, whether starts are timed too."""

    rounds: int
    seconds: float
    rows: int
    start: bool


def compare(config: str, batch: int, threads: int, names: Sequence[str], effort: Effort, say: Say) -> Comparison:
    """Measure a network. `say` is told what is going on."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "images.npz"
        what = write_images(read_config(config).config, effort.rows, file)
        job = Job(str(Path(config).resolve()), str(file), batch, threads)
        figures = [Figures(name) for name in names]
        if effort.start:
            for entry in figures:
                say(f"  start of {entry.contender}")
                measure_start(entry, job, Path(folder))
        ceiling = measure_speed([entry for entry in figures if entry.skipped is None], job, effort, say)
        _, plan = compile_only(read_config(config, overrides(file, batch, threads)))
    flops = sum(call.flops for call in plan.calls) / plan.batch
    return Comparison(config, batch, threads, what, flops, ceiling, figures)


def measure_start(figures: Figures, job: Job, folder: Path) -> None:
    """Start a contender twice: with empty folders of compiled code, and with what the first start left there."""
    variable = CACHE_VARIABLES.get(figures.contender)
    extra = {variable: str(folder / f"cold-{figures.contender}")} if variable else {}
    for field_name in ("cold_seconds", "warm_seconds"):
        with Worker(figures.contender, job, extra) as worker:
            figures.skipped = worker.skipped
            if worker.skipped is not None:
                return
            setattr(figures, field_name, worker.start_seconds)
    if figures.contender == "dlrun":
        _measure_command(figures, job, folder)


def _measure_command(figures: Figures, job: Job, folder: Path) -> None:
    extra = {"DLRUN_CACHE": str(folder / "command")}
    changes = list(overrides(job.images, job.batch, job.threads))
    figures.command_cold_seconds = command_seconds(job.config, job, changes, folder / "runs", extra)
    figures.command_warm_seconds = command_seconds(job.config, job, changes, folder / "runs", extra)


def measure_speed(figures: Sequence[Figures], job: Job, effort: Effort, say: Say) -> float:
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
                speed, entry.peak_bytes = worker.measure(effort.seconds)
                entry.speeds.append(speed)
    return max(ceilings)


def known(names: Sequence[str]) -> list[str]:
    """Return the contenders' names. Raises ValueError for one that doesn't exist."""
    for name in names:
        if name not in CONTENDERS:
            raise ValueError(f"no contender {name!r}: there are {', '.join(CONTENDERS)}")
    return list(names)
