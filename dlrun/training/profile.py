"""Where the time of a config's training steps goes, layer by layer."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from dlrun.compiler.traffic import moved_bytes
from dlrun.config.load import LoadedConfig
from dlrun.data.load import load
from dlrun.executor.ceiling import product_ceiling
from dlrun.executor.executor import Array
from dlrun.executor.profiler import CallTimes, Profiler, Timings
from dlrun.plan import Plan
from dlrun.training.diagnose import explain_non_finite
from dlrun.training.events import Listener
from dlrun.training.session import Session
from dlrun.training.state import TrainingState
from dlrun.training.steps import step_table

WARM_UP_SECONDS, SECONDS = 0.3, 1.5
"""How long steps run before any is measured, and how long those take that are, unless their number is given."""
FEWEST, MOST = 5, 2000
"""Steps that are measured in any case, and at most."""
STAMPS = 8_000_000
"""Times that are kept at most: 64 MB."""


@dataclass(frozen=True)
class Row:
    """What some calls cost in a step: seconds on the step's critical path, what they compute and move, and waiting."""

    seconds: float
    flops: int
    bytes: int
    waits: float

    def figures(self, step: float, ceiling: float) -> dict[str, Any]:
        """Return the figures by name, in the units in which they are shown. Times below the clock's step give none."""
        rate = self.flops / self.seconds if self.flops and self.seconds > 0 else None
        return {
            "us": self.seconds * 1e6,
            "share": self.seconds / step,
            "GFLOP/s": None if rate is None else rate / 1e9,
            "of ceiling": None if rate is None else rate / ceiling,
            "KB": self.bytes / 1e3,
            "GB/s": self.bytes / self.seconds / 1e9 if self.seconds > 0 else None,
            "waits us": self.waits * 1e6,
        }


@dataclass(frozen=True)
class Profile:
    """Timings of steps of a training plan, and the machine's ceiling (FLOP/s) for the same number of threads.

    `load_before` is the machine's load average before the profile, where the system tells it.
    """

    timings: Timings
    threads: int
    ceiling: float
    load_before: float | None = None

    @property
    def plan(self) -> Plan:
        """The plan of a step."""
        return self.timings.plan

    @cached_property
    def typical(self) -> Timings:
        """The steps that figures are means over."""
        return self.timings.typical()

    @cached_property
    def times(self) -> CallTimes:
        """The times of the typical steps."""
        return self.typical.call_times()

    @property
    def step_seconds(self) -> float:
        """The mean length of a typical step."""
        return float(self.times.total.mean()) / 1e9

    def _row(self, indices: list[int]) -> Row:
        calls = [self.plan.calls[index] for index in indices]
        return Row(
            float(self.times.busy[:, indices].sum(axis=1).mean()) / 1e9,
            sum(call.flops for call in calls),
            sum(moved_bytes(self.plan, call) for call in calls),
            float(self.times.waits[:, indices].sum(axis=1).mean()) / 1e9,
        )

    def call_rows(self) -> list[dict[str, Any]]:
        """Return a row for each call of the plan, in their order."""
        return [
            {
                "layer": call.node, "direction": call.phase, "kernel": call.kernel.name, "partition": call.partition,
                **self._row([index]).figures(self.step_seconds, self.ceiling),
            }
            for index, call in enumerate(self.plan.calls)
        ]  # fmt: skip

    def layer_rows(self) -> list[dict[str, Any]]:
        """Return a row for each layer and direction, in the order in which the plan comes to them."""
        groups: dict[tuple[str, str], list[int]] = {}
        for index, call in enumerate(self.plan.calls):
            groups.setdefault((call.node, call.phase), []).append(index)
        return [
            {
                "layer": layer, "direction": direction,
                **self._row(indices).figures(self.step_seconds, self.ceiling),
            }
            for (layer, direction), indices in groups.items()
        ]  # fmt: skip

    def totals(self) -> dict[str, Any]:
        """Return what is to be said of the step as a whole."""
        whole = self._row(list(range(len(self.plan.calls))))
        step = self.step_seconds
        barriers, waiting = float(self.times.barriers.mean()) / 1e9, float(self.times.waiting.mean()) / 1e9
        return {
            "steps": len(self.timings.stamps),
            "typical_steps": len(self.typical.stamps),
            "batch": self.plan.batch,
            "threads": self.threads,
            "precision": self.plan.precision,
            "load_before": self.load_before,
            "step_us": step * 1e6,
            "samples_per_second": self.plan.batch / step,
            "calls_us": whole.seconds * 1e6,
            "barriers_us": barriers * 1e6,
            "barriers_share": barriers / step,
            "waiting_us": waiting * 1e6,
            "waiting_share": waiting / step,
            "gflop_per_second": whole.flops / step / 1e9,
            "ceiling_gflop_per_second": self.ceiling / 1e9,
            "of_ceiling": whole.flops / step / self.ceiling,
            "bytes": whole.bytes,
            "gb_per_second": whole.bytes / step / 1e9,
        }

    def to_json(self) -> dict[str, Any]:
        """Return the whole profile as JSON-able values."""
        return {**self.totals(), "layers": self.layer_rows(), "calls": self.call_rows()}


def profile_network(loaded: LoadedConfig, steps: int | None = None, listener: Listener | None = None) -> Profile:
    """Train the network of a config on its own data for some steps, and see where their time goes.

    Raises: DataError, NonFiniteError.
    """
    load_before = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    dataset = load(loaded.config.data, loaded.config.seed)
    session = Session(loaded.config, loaded.layer_paths, dataset, listener)
    executor = session.start_training()
    executor.data["order"][:] = session.epoch_order(0)
    ceilings = [product_ceiling(session.threads, session.config.precision)]
    work = _Steps(session)
    seconds = work.warm_up()
    ceilings.append(product_ceiling(session.threads, session.config.precision))
    if steps is None:
        places = session.threads * (2 + 2 * len(executor.plan.calls))
        steps = min(max(FEWEST, round(SECONDS / seconds)), MOST, max(FEWEST, STAMPS // places))
    timings = work.run(steps)
    ceilings.append(product_ceiling(session.threads, session.config.precision))
    return Profile(timings, session.threads, max(ceilings), load_before)


class _Steps:
    """Full training steps, one after the other, over the rows of the training split again and again."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.profiler = Profiler(session.training or session.start_training(), session.listener.compiling)
        self.group = session.config.optimizer.gradient_accumulation_steps or 1
        self.table = step_table(0, session.sampling.rows, session.batch_size, drop_last=True, group=self.group)
        self.done = 0

    def warm_up(self) -> float:
        """Run steps until caches, memory and clock rates have settled; return the seconds of a step."""
        began, count = time.perf_counter(), 1
        while True:
            before = time.perf_counter()
            self.run(count)
            seconds = (time.perf_counter() - before) / count
            if time.perf_counter() - began > WARM_UP_SECONDS:
                return seconds
            count = min(2 * count, MOST)

    def run(self, count: int) -> Timings:
        """Run so many steps more. Raises: NonFiniteError."""
        number = np.arange(self.done, self.done + count)
        table = self.table[number % len(self.table)]
        table[:, 1] = number
        outcome, timings = self.profiler.run(table, self._scalars(number))
        if not outcome.finished:
            state = TrainingState(step=self.done + outcome.steps)
            raise explain_non_finite(self.session, table[outcome.steps], state)
        self.done += count
        return timings

    def _scalars(self, number: Array) -> Array:
        config, per_epoch = self.session.config, len(self.table)
        total = max(config.training.epochs * per_epoch, int(number[-1]) + 1)
        rates = config.schedule.rates(number, config.optimizer.learning_rate, per_epoch, total)
        updates = number // per_epoch * -(-per_epoch // self.group) + number % per_epoch // self.group
        return config.optimizer.scalars(updates, rates)
