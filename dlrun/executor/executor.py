"""Runs a plan: gives buffers their memory, binds data, starts the threads, and lets the caller look and stop."""

from __future__ import annotations

import _thread
import ctypes
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from dlrun.executor.meeting import CONTROL_BYTES
from dlrun.executor.memory import PAGE, page_zeros
from dlrun.executor.profile_loop import run_steps_timed
from dlrun.executor.run_loop import ALONE, BARRIER, DONE, DUE, FINISHED, LONG, PAUSED, STOP, STOPPED, run_steps
from dlrun.kernels.lang import KINDS, Kernel
from dlrun.kernels.store import load_kernels
from dlrun.plan import (
    LIVE_WORDS,
    STEP_OF_ROWS,
    Argument,
    Buffer,
    Call,
    LiveValue,
    Plan,
    Region,
    ScratchSize,
    Step,
    Update,
    effects,
)

Array = np.ndarray[Any, np.dtype[Any]]
ENTRY = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, *[ctypes.c_int64] * 4)
SCALARS = 16
"""How many numbers an optimizer may have for each step."""
POLL_NANOSECONDS = 50_000_000
LONG_FLOPS = 100_000_000
"""Operations from which on a call takes milliseconds: signals are heard before it too, not only between steps."""


@dataclass(frozen=True)
class Outcome:
    """How a run of steps ended: steps finished, and FINISHED, STOPPED, or the status of the kernel that refused."""

    steps: int
    status: int

    @property
    def finished(self) -> bool:
        """Whether all steps were done."""
        return self.status == FINISHED

    @property
    def stopped(self) -> bool:
        """Whether a stop was asked for."""
        return self.status == STOPPED


class Executor:
    """A plan with its memory.

    `data` gives the arrays that the plan's data buffers stand for, C-contiguous and of the buffers' dtypes. `weights`
    is another executor of the same network whose weights this one shares, or all regions of `shared`. `progress` is
    told of kernels that have to be compiled (name, done, total).
    """

    loops: ClassVar[tuple[Kernel, ...]] = (run_steps,)
    """The loops that its runs need."""

    def __init__(
        self,
        plan: Plan,
        threads: int,
        data: Mapping[str, Array],
        weights: Executor | None = None,
        progress: Callable[[str, int, int], None] | None = None,
        shared: Sequence[Region] = ("weights",),
    ) -> None:
        self.plan, self.threads = plan, threads
        self.addresses = load_kernels([*plan.kernels, *self.loops], plan.precision, progress)
        self.arenas: dict[Region, Array] = (
            {} if weights is None else {region: weights.arenas[region] for region in shared}
        )
        for region, size in plan.arena_bytes.items():
            if region not in self.arenas:
                self.arenas[region] = page_zeros(size)
        self.data = dict(data)
        self._live = np.zeros(LIVE_WORDS + 8, np.int64)
        self._scalars = self.data.setdefault("scalars", np.zeros(SCALARS, np.float64))
        self._control = page_zeros(CONTROL_BYTES).view(np.int64)
        for name in plan.buffers:
            if name.endswith(STEP_OF_ROWS):
                self.data[name] = np.array([_step_of_rows(self.data[name.removesuffix(STEP_OF_ROWS)])], np.int64)
        self._blocks: list[Array] = []
        self._fill_initial_values()
        self._place_scratch()
        self._prologue, self._program = self._build_program(plan.prologue), self._build_program(plan.calls)

    def array(self, name: str) -> Array:
        """Return a view of a buffer: flat, of its dtype."""
        buffer = self.plan.buffers[name]
        if buffer.region == "data":
            return self.data[name].reshape(-1)
        dtype = self.plan.precision if buffer.dtype == "real" else buffer.dtype
        raw = self.arenas[buffer.region][buffer.offset : buffer.offset + buffer.bytes(self.plan.precision)]
        return raw.view(dtype)

    def run(
        self, table: Array, scalars: Array, poll: Callable[[int], None] | None = None, stamps: Array | None = None
    ) -> Outcome:
        """Run a step for each row of `table` (steps, live values) with that row of `scalars` (steps, k).

        The plan's prologue comes first. `poll(steps done)` is called now and then between two steps; an exception that
        it raises, or a signal's handler (KeyboardInterrupt), stops the run there and is raised again then. `stamps`
        (int64) gets the times of what each thread does, as `run_steps_timed` writes them; without it none are taken.
        """
        table = np.ascontiguousarray(table, np.int64)
        scalars = np.ascontiguousarray(scalars, np.float64)
        assert table.shape[0] == scalars.shape[0]
        assert table.shape[1] <= LIVE_WORDS
        assert scalars.shape[1] <= SCALARS
        self._control[STOP // 8] = self._control[DONE // 8] = 0
        loop, more = (run_steps, {}) if stamps is None else (run_steps_timed, {"stamps": stamps.ctypes.data})
        status = self._run_threads(self._work(loop, table, scalars, **more), poll)
        return Outcome(int(self._control[DONE // 8]), status)

    def _work(self, loop: Kernel, table: Array, scalars: Array, **more: Argument) -> list[tuple[Kernel, Array]]:
        """Return what a run consists of: the prologue, if there is one, and the loop, each with its argument block."""
        work = [(loop, self._loop_block(loop, self._program, table, scalars, **more))]
        if len(self._prologue):
            work.insert(0, (run_steps, self._loop_block(run_steps, self._prologue, table[:1], scalars[:1])))
        return work

    def _loop_block(self, loop: Kernel, program: Array, table: Array, scalars: Array, **more: Argument) -> Array:
        """Return the argument block for a run of a loop over a program: of this run alone, the next makes its own."""
        arguments: dict[str, Argument] = {
            "program": program.ctypes.data, "calls": len(program), "table": table.ctypes.data, "steps": len(table),
            "live": self._live.ctypes.data, "words": table.shape[1], "scalar_table": scalars.ctypes.data,
            "scalars": self._scalars.ctypes.data, "scalar_count": scalars.shape[1],
            "control": self._control.ctypes.data,
        }  # fmt: skip
        block = self._block_of(loop, **arguments | more)
        self._blocks.pop()
        return block

    def step_by_step(self) -> Callable[[Array], None]:
        """Return a function that runs a step, with its live values, in the caller's thread; the prologue comes now.

        For plans for one thread whose steps are short, each made from the results of the one before. Later changes of
        the weights are not seen by what the prologue computes. What layers keep between steps is cleared now.
        """
        assert self.threads == 1
        table, scalars = self._stepping = np.zeros((1, LIVE_WORDS - 1), np.int64), np.zeros((1, 1))
        function, result = ENTRY(self.addresses[run_steps]), np.zeros(2, np.int64)
        self._control[:] = 0
        self.forget()

        def run(program: Array) -> Callable[[Array], None]:
            block = self._loop_block(run_steps, program, table, scalars)
            status, further = result.ctypes.data, result.ctypes.data + 8

            def step(live: Array) -> None:
                table[0, : len(live)] = live
                function(status, further, block.ctypes.data, 0, 1, 0)
                assert result[0] == FINISHED

            return step

        run(self._prologue)(np.zeros(0, np.int64))
        return run(self._program)

    def forget(self) -> None:
        """Clear what layers keep between steps: the next one is a first."""
        self.arenas["state"][:] = 0

    def stop(self) -> None:
        """Ask the running steps to end at the current step's end."""
        self._control[STOP // 8] = 1

    def _run_threads(self, work: Sequence[tuple[Kernel, Array]], poll: Callable[[int], None] | None) -> int:
        """Let all threads run one loop after the other, each with its block; return the status of the last.

        Thread 0 is the caller's: a run costs no waking up but that of the others, whose Python is over some time later.
        It comes back now and then for `poll` and signals. Whatever is raised meanwhile, all threads begin, and the
        loops come to their end first: threads wait for each other. However short a run is, its end is told.
        """
        addresses = load_kernels([loop for loop, _ in work], self.plan.precision)
        loops = [(ENTRY(addresses[loop]), block) for loop, block in work]
        numbers = [*range(1, self.threads)]
        results, missing, index, raised = np.full((len(loops), 2), PAUSED, np.int64), len(numbers), 0, None
        while index < len(loops):
            try:
                while missing:  # where a signal comes before it is counted, one is begun too many
                    _thread.start_new_thread(self._follow, (loops, numbers))
                    missing -= 1
                (function, block), result = loops[index], results[index]
                while result[0] == PAUSED:
                    self._control[DUE // 8] = time.monotonic_ns() + POLL_NANOSECONDS
                    function(result.ctypes.data, result.ctypes.data + 8, block.ctypes.data, 0, self.threads, 0)
                    if poll and raised is None and index == len(loops) - 1:
                        poll(int(self._control[DONE // 8]))
                index += 1
            except BaseException as error:
                if missing and isinstance(error, RuntimeError):  # the system has no more threads
                    raise
                raised = raised or error
                self.stop()
        if raised is not None:
            raise raised
        return int(results[-1, 0])

    def _follow(self, loops: Sequence[tuple[Any, Array]], numbers: list[int]) -> None:
        """Run loops in another thread than the caller's, with one of the numbers that are left."""
        try:
            thread = numbers.pop()
        except IndexError:
            return
        result = np.zeros(2, np.int64)
        for function, block in loops:
            function(result.ctypes.data, result.ctypes.data + 8, block.ctypes.data, thread, self.threads, 0)

    def _fill_initial_values(self) -> None:
        for buffer in self.plan.buffers.values():
            if buffer.values is not None:
                self.array(buffer.name)[:] = buffer.values

    def _place_scratch(self) -> None:
        calls = (*self.plan.prologue, *self.plan.calls)
        sizes = [a.size for call in calls for a in call.arguments.values() if isinstance(a, ScratchSize)]
        item = 4 if self.plan.precision == "float32" else 8
        self._scratch_stride = -(-(max(sizes, default=0) * item + 256) // PAGE) * PAGE + 128
        self._scratch = page_zeros(self._scratch_stride * self.threads)

    def _build_program(self, calls: Sequence[Call]) -> Array:
        rows = []
        for call in calls:
            flags = BARRIER * call.barrier | ALONE * (call.partition == "one") | LONG * (call.flops >= LONG_FLOPS)
            rows.append((self.addresses[call.kernel], self._block(call).ctypes.data, flags))
        return np.array(rows, np.int64).reshape(-1, 3)

    def _block(self, step: Step) -> Array:
        return self._block_of(step.kernel, **step.arguments)

    def _block_of(self, kernel: Kernel, **arguments: Argument) -> Array:
        """Return a kernel's argument block: a word for each argument (two for scratch)."""
        slots = kernel.slots
        block = np.zeros(max(len(slots) + 1, 1) + 8, np.int64)
        for name, kind in kernel.arguments.items():
            value, slot = arguments[name], slots[name]
            if kind is KINDS["Scratch"]:
                block[slot : slot + 2] = self._scratch.ctypes.data, self._scratch_stride
            elif kind.name == "Number" and isinstance(value, int | float):
                block[slot : slot + 1].view(np.float64)[0] = value
            else:
                block[slot] = self._word(value)
        self._blocks.append(block)
        return block

    def _data_address(self, buffer: Buffer) -> int:
        """Return where a data buffer's array stands; an array of another dtype would be read as garbage."""
        array = self.data[buffer.name]
        expected = self.plan.precision if buffer.dtype == "real" else buffer.dtype
        # Rows that have a step of their own, as windows do, may share their memory.
        rows = array[:1] if f"{buffer.name}{STEP_OF_ROWS}" in self.plan.buffers else array
        if array.dtype != expected or not rows.flags.c_contiguous:
            raise TypeError(f"{buffer.name} must be a C-contiguous array of {expected}, got {array.dtype}")
        return int(array.ctypes.data)

    def _word(self, value: Argument) -> int:
        if isinstance(value, Buffer):
            if value.region == "data":
                return self._data_address(value)
            return int(self.arenas[value.region].ctypes.data) + value.offset
        if isinstance(value, LiveValue):
            return int(self._live.ctypes.data) + 8 * value.word
        if isinstance(value, Update):
            words = [len(value.steps)]
            for step in value.steps:
                words += [self.addresses[step.kernel], int(self._block(step).ctypes.data)]
            arrays = {
                effect.buffer for step in value.steps for effect in effects(step) if effect.buffer.dtype == "real"
            }
            whole = [buffer for buffer in arrays if buffer.size == self.plan.buffers[value.variable].size]
            words += [len(whole), *(self._word(buffer) for buffer in whole)]
            chain = np.array(words, np.int64)
            self._blocks.append(chain)
            return int(chain.ctypes.data)
        assert isinstance(value, int), value
        return value


def _step_of_rows(array: Array) -> int:
    """How many numbers an array's rows are apart."""
    return int(array.strides[0] // array.itemsize)
