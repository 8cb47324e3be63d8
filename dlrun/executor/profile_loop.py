"""The loop of `dlrun.executor.run_loop` with a clock: each thread notes when it begins and ends each call.

A loop of its own, so that the ordinary one pays nothing for it.
"""

from dlrun.executor.meeting import barrier, nanoseconds
from dlrun.executor.run_loop import ALONE, BARRIER, FINISHED, STOPPED, begin_step
from dlrun.kernels.lang import (
    InDouble,
    InLong,
    OutDouble,
    OutLong,
    Size,
    Thread,
    Threads,
    call_kernel,
    flush_denormals,
    helper,
    keep_denormals,
    kernel,
)


@helper
def timed_steps_of_thread(  # type: ignore[no-untyped-def]
    program, calls, table, steps, live, words, scalar_table, scalars, scalar_count, control, stamps, thread, threads
):  # fmt: skip
    """Run steps until there is a reason to end; return it."""
    places = 2 + 2 * calls
    for step in range(steps + 1):
        at = (step * threads + thread) * places
        if step < steps:
            stamps[at] = nanoseconds()
        begin_step(step, steps, table, live, words, scalar_table, scalars, scalar_count, control, threads)
        if step == steps:
            break
        if live[words] != 0:
            return STOPPED
        now = nanoseconds()
        stamps[at + 1] = now
        for i in range(calls):
            flags = program[3 * i + 2]
            if flags & BARRIER:
                barrier(control, threads)
                now = nanoseconds()
            stamps[at + 2 + 2 * i] = now
            if not (flags & ALONE and thread != 0):
                status = call_kernel(program[3 * i], program[3 * i + 1], thread, threads, 0)
                if status != 0:
                    return status
                now = nanoseconds()
            stamps[at + 3 + 2 * i] = now
    return FINISHED


@kernel
def run_steps_timed(
    program: InLong, calls: Size, table: InLong, steps: Size, live: OutLong, words: Size, scalar_table: InDouble,
    scalars: OutDouble, scalar_count: Size, control: Size, stamps: OutLong, thread: Thread, threads: Threads,
) -> int:  # fmt: skip
    """Run steps as `run_steps` does, and write down the times (nanoseconds) of what each thread does.

    stamps (steps, threads, 2 + 2 calls): when the thread comes to the barrier before the step, when it leaves it, and
    when it begins and ends each call. What a thread leaves to another begins and ends at once.
    """
    before = flush_denormals()
    status: int = timed_steps_of_thread(
        program, calls, table, steps, live, words, scalar_table, scalars, scalar_count, control, stamps, thread, threads
    )
    keep_denormals(before)
    return status
