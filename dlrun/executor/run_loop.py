"""The loop that every thread runs: steps, and in each step the plan's calls, without entering Python."""

from dlrun.executor.meeting import GENERATION, arrive, barrier, choose_habit, nanoseconds, release, wait
from dlrun.kernels.lang import (
    InDouble,
    InLong,
    OutDouble,
    OutLong,
    Size,
    Thread,
    Threads,
    atomic_load,
    atomic_store,
    call_kernel,
    flush_denormals,
    helper,
    keep_denormals,
    kernel,
)

STOP, DONE = 0, 64
"""Byte offsets in the control block, whose other words are those of `dlrun.executor.meeting`."""
FINISHED, STOPPED = 0, -1
BARRIER, ALONE = 1, 2


@helper
def begin_step(  # type: ignore[no-untyped-def]
    step, steps, table, live, words, scalar_table, scalars, scalar_count, control, threads
):  # fmt: skip
    """Wait until all threads have finished the step before; the last to come sets the stage for this one."""
    generation = atomic_load(control + GENERATION)
    if arrive(control, threads):
        atomic_store(control + DONE, step)
        if threads > 1:
            choose_habit(control, step, nanoseconds())
        if step < steps:
            for i in range(words):
                live[i] = table[step * words + i]
            live[words] = atomic_load(control + STOP)
            for i in range(scalar_count):
                scalars[i] = scalar_table[step * scalar_count + i]
        release(control)
    else:
        wait(control, generation)


@helper
def steps_of_thread(  # type: ignore[no-untyped-def]
    program, calls, table, steps, live, words, scalar_table, scalars, scalar_count, control, thread, threads
):  # fmt: skip
    """Run steps until there is a reason to end; return it."""
    for step in range(steps + 1):
        begin_step(step, steps, table, live, words, scalar_table, scalars, scalar_count, control, threads)
        if step == steps:
            break
        if live[words] != 0:
            return STOPPED
        for i in range(calls):
            flags = program[3 * i + 2]
            if flags & BARRIER:
                barrier(control, threads)
            if flags & ALONE and thread != 0:
                continue
            status = call_kernel(program[3 * i], program[3 * i + 1], thread, threads, 0)
            if status != 0:
                return status
    return FINISHED


@kernel
def run_steps(
    program: InLong, calls: Size, table: InLong, steps: Size, live: OutLong, words: Size, scalar_table: InDouble,
    scalars: OutDouble, scalar_count: Size, control: Size, thread: Thread, threads: Threads,
) -> int:  # fmt: skip
    """Run steps until all are done, a stop is asked for, or a kernel returns a status that isn't 0.

    program (calls, 3): function, argument block, flags: a BARRIER stands before it, thread 0 makes it ALONE.
    table (steps, words): the live values of each step. scalar_table (steps, scalar_count): the optimizer's. Word STOP
    of `control` asks for a stop at the next step's start; word DONE counts the finished steps. Returns FINISHED,
    STOPPED, or the kernel's status. Subnormal numbers are zero inside, and again what they were for the caller after.
    """
    before = flush_denormals()
    status: int = steps_of_thread(
        program, calls, table, steps, live, words, scalar_table, scalars, scalar_count, control, thread, threads
    )
    keep_denormals(before)
    return status
