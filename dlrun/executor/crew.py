"""Runs a plan whose steps don't depend on each other: threads share out the steps, not the work of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from threading import Thread
from typing import ClassVar

import numpy as np

from dlrun.executor import executor as executors
from dlrun.executor.claim_loop import run_claimed
from dlrun.executor.executor import ENTRY, Array, Executor, Outcome
from dlrun.executor.run_loop import DUE, FINISHED, PAUSED, STOP, STOPPED, run_steps
from dlrun.kernels.lang import Kernel
from dlrun.plan import Argument, Plan

Work = list[tuple[Kernel, Array]]
"""Loops, each with its argument block."""


class Crew(Executor):
    """An executor for each thread, which share weights and data, but not the memory of a step.

    Threads never wait for each other before the end, and one whose core is slow or lent elsewhere takes fewer steps.
    The plan is one for a single thread; its steps write where their rows are, refuse none, keep no state, don't learn.
    """

    loops: ClassVar[tuple[Kernel, ...]] = (run_steps, run_claimed)

    def __init__(
        self,
        plan: Plan,
        threads: int,
        data: Mapping[str, Array],
        weights: Executor | None = None,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> None:
        """Take a plan, and what it needs, as an Executor does."""
        assert plan.threads == 1
        assert not any(call.kernel.has_status for call in plan.calls)
        super().__init__(plan, 1, data, weights, progress)
        self._others = [Executor(plan, 1, self.data, self) for _ in range(threads - 1)]

    def run(
        self, table: Array, scalars: Array, poll: Callable[[int], None] | None = None, stamps: Array | None = None
    ) -> Outcome:
        """Run a step for each row of `table`, in any order; with `poll` or `stamps` one thread does, in theirs."""
        if poll is not None or stamps is not None:
            return super().run(table, scalars, poll, stamps)
        table = np.ascontiguousarray(table, np.int64)
        scalars = np.ascontiguousarray(scalars, np.float64)
        self._control[STOP // 8] = 0
        claims = np.zeros(1, np.int64)
        common: dict[str, Argument] = {"claims": claims.ctypes.data, "control": self._control.ctypes.data}
        self._run_apart([member._work(run_claimed, table, scalars, **common) for member in (self, *self._others)])
        done = min(int(claims[0]), len(table))
        return Outcome(done, FINISHED if done == len(table) else STOPPED)

    def _run_apart(self, works: Sequence[Work]) -> None:
        """Let each thread do its work, the caller's the first.

        Whatever is raised meanwhile, as by a signal's handler, stops all threads after their steps, and is raised then.
        """
        others = [Thread(target=self._run_loops, args=(work, 1 + i)) for i, work in enumerate(works[1:])]
        try:
            for thread in others:
                thread.start()
            self._run_loops(works[0], 0)
        except BaseException:
            self.stop()
            raise
        finally:
            _join(others)

    def _run_loops(self, work: Work, number: int) -> None:
        """Run loops one after the other. The first thread hears signals in between.

        A prologue is its executor's alone, whose first thread it is made by.
        """
        result = np.zeros(2, np.int64)
        for loop, block in work:
            function, thread = ENTRY(self.addresses[loop]), number if loop is run_claimed else 0
            result[0] = PAUSED
            while result[0] == PAUSED:
                if number == 0:
                    self._control[DUE // 8] = time.monotonic_ns() + executors.POLL_NANOSECONDS
                function(result.ctypes.data, result.ctypes.data + 8, block.ctypes.data, thread, 1, 0)


def _join(threads: Sequence[Thread]) -> None:
    """Wait until those that were started are done with this run's memory; what is raised meanwhile is raised then."""
    raised = None
    for thread in threads:
        while thread.is_alive():
            try:
                thread.join()
            except BaseException as error:
                raised = error
    if raised is not None:
        raise raised
