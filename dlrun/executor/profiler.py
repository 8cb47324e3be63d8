"""Where the time of real steps goes: call by call, and what threads wait for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dlrun.executor.executor import Array, Executor, Outcome
from dlrun.executor.profile_loop import run_steps_timed
from dlrun.kernels.store import load_kernels
from dlrun.plan import Plan


@dataclass(frozen=True)
class CallTimes:
    """Nanoseconds of steps and of their calls; those of calls are along a step's critical path.

    Between two barriers the step waits for one thread, the last to arrive. The times of a call are that thread's, so
    that calls, and what the barriers themselves take, add up to the step: total = sum(busy) + barriers.

    Shapes: total, barriers, waiting (steps), busy and waits (steps, calls).
    """

    total: Array
    """From when the last thread had finished the step before until it has finished this one."""
    busy: Array
    """How long the slowest thread was in each call."""
    waits: Array
    """How long threads waited, on average, at the barrier after each call; 0 where none is.

    That after the last call stands before the next step; here each step has the one before itself.
    """
    barriers: Array
    """What the barriers add to the step: from the last thread's arrival until the next slowest one goes on."""
    waiting: Array
    """How long threads waited, on average, at all barriers of the step."""


@dataclass(frozen=True)
class Timings:
    """What `run_steps_timed` wrote of whole steps: stamps (steps, threads, 2 + 2 calls), in nanoseconds."""

    plan: Plan
    stamps: Array

    @property
    def begins(self) -> Array:
        """When each thread began each call (steps, threads, calls)."""
        return self.stamps[:, :, 2::2]

    @property
    def ends(self) -> Array:
        """When each thread ended each call (steps, threads, calls)."""
        return self.stamps[:, :, 3::2]

    @property
    def totals(self) -> Array:
        """From when the last thread had finished the step before until it has finished each one (steps)."""
        return np.asarray(self.stamps[:, :, -1].max(axis=1) - self.stamps[:, :, 0].max(axis=1))

    def typical(self) -> Timings:
        """Return the half of the steps whose length is nearest the median: without those that others disturbed."""
        total = self.totals
        count = max(1, (len(total) + 1) // 2)
        first = (len(total) - count) // 2
        chosen = np.sort(np.argsort(total, kind="stable")[first : first + count])
        return Timings(self.plan, self.stamps[chosen])

    def call_times(self) -> CallTimes:
        """Return where the time of each step went."""
        lengths, slowest = self.ends - self.begins, self._slowest()
        busy = np.take_along_axis(lengths, slowest[:, None, :], axis=1)[:, 0]
        waits = self._waits()
        return CallTimes(self.totals, busy, waits, self.totals - busy.sum(axis=1), waits.sum(axis=1))

    def _waits(self) -> Array:
        """Return how long threads waited on average after each call (steps, calls)."""
        between = np.diff(self.stamps, axis=2)
        before_the_step, before_calls = between[:, :, :1], between[:, :, 3::2]
        return np.asarray(np.concatenate([before_calls, before_the_step], axis=2).mean(axis=1))

    def _slowest(self) -> Array:
        """Return the thread that each call's barriers wait for: the last to end what lies between them."""
        last = self.ends.argmax(axis=1)
        slowest: Array = np.empty_like(last)
        end = len(self.plan.calls)
        for index in reversed(range(len(self.plan.calls))):
            slowest[:, index] = last[:, end - 1]
            if self.plan.calls[index].barrier:
                end = index
        return slowest


class Profiler:
    """Runs steps of an executor and takes the time of everything in them; what the steps compute is the same."""

    def __init__(self, executor: Executor, progress: Callable[[str, int, int], None] | None = None) -> None:
        self.executor = executor
        load_kernels([run_steps_timed], executor.plan.precision, progress)

    def run(self, table: Array, scalars: Array) -> tuple[Outcome, Timings]:
        """Run a step for each row of `table`, as `Executor.run`; return the timings of those that were finished."""
        plan, threads = self.executor.plan, self.executor.threads
        stamps = np.zeros((len(table), threads, 2 + 2 * len(plan.calls)), np.int64)
        outcome = self.executor.run(table, scalars, stamps=stamps)
        return outcome, Timings(plan, stamps[: outcome.steps])
