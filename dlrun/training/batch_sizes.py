"""How fast a network trains in batches of several sizes, and how much memory a step takes: measured in real steps."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dlrun.config.load import LoadedConfig
from dlrun.data.dataset import Dataset
from dlrun.data.load import load
from dlrun.errors import ConfigError, DataError, UsageError
from dlrun.training.diagnose import explain_non_finite
from dlrun.training.events import Listener
from dlrun.training.fit import check_fit, located
from dlrun.training.sampling import group_of
from dlrun.training.session import Session
from dlrun.training.state import TrainingState
from dlrun.training.steps import step_table

SMALLEST, LARGEST = 8, 1024
"""Batch sizes that are measured when none are named: the powers of two between them, times the loss's group."""
SECONDS, ROUNDS = 0.1, 5
"""How long each size runs in a round, and how often: in turns, so that other work disturbs all sizes alike."""
ENOUGH = 0.9
"""The part of the best speed that is enough: a smaller batch makes more updates of the same rows."""
BUSY = 0.5
"""A load average that tells of other work."""
MOST_MEMORY = 0.5
"""The part of the free memory that steps of one size may take."""


@dataclass(frozen=True)
class Measured:
    """Steps of one batch size. `memory_bytes` are those of weights, optimizer state, activations and gradients."""

    batch_size: int
    steps_per_epoch: int
    threads: int
    step_seconds: float
    samples_per_second: float
    memory_bytes: int


@dataclass(frozen=True)
class BatchSizes:
    """What was measured, by size, and the size that is suggested."""

    measured: tuple[Measured, ...]
    present: int
    """Rows in a step of the config as it is."""
    notes: tuple[str, ...] = ()

    @property
    def suggested(self) -> int:
        """The smallest batch that is nearly as fast, in rows, as the fastest."""
        best = max(each.samples_per_second for each in self.measured)
        return min(each.batch_size for each in self.measured if each.samples_per_second >= ENOUGH * best)

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each size."""
        best = max(each.samples_per_second for each in self.measured)
        return [
            {
                "batch size": each.batch_size, "steps an epoch": each.steps_per_epoch, "threads": each.threads,
                "ms a step": f"{each.step_seconds * 1e3:.3g}", "samples/s": f"{each.samples_per_second:,.0f}",
                "of the best": f"{each.samples_per_second / best:.0%}", "memory MB": f"{each.memory_bytes / 1e6:.1f}",
            }
            for each in self.measured
        ]  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON-able values."""
        measured = [asdict(each) for each in self.measured]
        return {"suggested": self.suggested, "present": self.present, "notes": self.notes, "measured": measured}


def measure_batch_sizes(
    loaded: LoadedConfig, sizes: Sequence[int] | None = None, listener: Listener | None = None
) -> BatchSizes:
    """Train in batches of several sizes (rows), for some tenths of a second each; nothing is kept.

    The steps are whole: forward, backward, the optimizer; but with learning rate 0, so that the weights stay.

    Raises: UsageError for sizes that can't be; ConfigError; DataError; NonFiniteError.
    """
    dataset = load(loaded.config.data, loaded.config.seed)
    listener = listener or Listener()
    try:
        present = Session(loaded.config, loaded.layer_paths, dataset)
        check_fit(loaded.config, present.model, "validation" in dataset.splits)
        wanted, notes = _sizes(present, sizes), _load_notes()
        timed: list[_Timed] = []
        for size in wanted:
            try:
                timed.append(_Timed(_session(loaded, dataset, size, listener)))
            except MemoryError as error:
                notes.append(str(error))
                break  # larger ones take more
    except ConfigError as error:
        raise located(loaded, error) from error
    if not timed:
        raise DataError(notes[-1], "name smaller ones: --sizes 1,2,4")
    for _ in range(ROUNDS):
        for each in timed:
            each.run()
    return BatchSizes(tuple(each.measured() for each in timed), present.batch_size, tuple(notes))


def _load_notes() -> list[str]:
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return [f"other work was running (load average {load:.1f}), which lowers all speeds"] if load > BUSY else []


def _sizes(session: Session, sizes: Sequence[int] | None) -> list[int]:
    """Return the batch sizes to measure, in their order. Raises UsageError."""
    rows, group = session.sampling.rows, group_of(session.config, session.dataset.signature)
    if sizes is None:
        powers = [group * 2**power for power in range(31) if SMALLEST <= 2**power <= LARGEST]
        own = [] if session.config.training.batch_size == "full" else [session.batch_size]
        return sorted({size for size in powers if size <= rows} | set(own)) or [rows]
    for size in sizes:
        if size < 1 or size > rows:
            raise UsageError(f"a batch of {size} rows can't be: there are {rows:,} training rows")
        if size % group:
            raise UsageError(f"the loss takes groups of {group} rows together, which a batch of {size} would divide")
    return sorted(set(sizes))


def _session(loaded: LoadedConfig, dataset: Dataset, size: int, listener: Listener) -> Session:
    """Return the session of a config with another batch size. Raises MemoryError where its steps take too much."""
    training = loaded.config.training.model_copy(update={"batch_size": size})
    config = loaded.config.model_copy(update={"training": training})
    session = Session(config, loaded.layer_paths, dataset, listener)
    needed, free = sum(session.training_plan().arena_bytes.values()), _free_memory()
    if free is not None and needed > MOST_MEMORY * free:
        left = f"{free / 1e9:.1f} GB are free"
        raise MemoryError(f"batches of {size} rows and more are left out: a step takes {needed / 1e9:.1f} GB, {left}")
    return session


def _free_memory() -> int | None:
    """Return the bytes of memory that are to be had, where the system tells it."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


class _Timed:
    """Steps of one session, the same ones again and again."""

    def __init__(self, session: Session, clock: Callable[[], float] = time.perf_counter) -> None:
        self.session, self.clock = session, clock
        self.executor = session.start_training()
        session.draw_negatives(0)
        self.executor.data["order"][:] = session.epoch_order(0)
        group = session.config.optimizer.gradient_accumulation_steps or 1
        rows, size = session.sampling.rows, session.batch_size
        self.table = step_table(0, rows, size, drop_last=True, group=group)
        self.steps_per_epoch = len(step_table(0, rows, size, session.config.training.drop_last))
        self.best = np.inf
        self.count = min(len(self.table), group)
        while (seconds := self._seconds()) < SECONDS / 2 and self.count < len(self.table):
            self.count = min(2 * self.count, len(self.table))
        self.repeats = max(1, round(SECONDS / max(seconds, 1e-9)))

    def run(self) -> None:
        """Run the steps for a while; keep the shortest time."""
        seconds = min(self._seconds() for _ in range(self.repeats))
        self.best = min(self.best, seconds)

    def measured(self) -> Measured:
        """Return what the steps took when they were disturbed least."""
        table = self.table[: self.count]
        memory = sum(self.executor.plan.arena_bytes.values())
        rows = int(table[:, 0].sum())
        return Measured(
            self.session.batch_size, self.steps_per_epoch, self.session.threads, self.best / len(table),
            rows / self.best, memory,
        )  # fmt: skip

    def _seconds(self) -> float:
        table = self.table[: self.count]
        rates = np.zeros(len(table))
        scalars = self.session.config.optimizer.scalars(np.arange(len(table)), rates)
        began = self.clock()
        outcome = self.executor.run(table, scalars)
        seconds = self.clock() - began
        if not outcome.finished:
            raise explain_non_finite(self.session, table[outcome.steps], TrainingState(step=outcome.steps))
        return max(seconds, 1e-9)
