"""The loop of `dlrun.executor.run_loop` with a clock: each thread notes when it begins and ends each call.

A loop of its own, so that the ordinary one pays nothing for it. No thread works alone here.
"""

from dlrun.executor.habits import SOLO, nanoseconds
from dlrun.executor.meeting import barrier
from dlrun.executor.run_loop import (
    ALONE,
    BARRIER,
    FINISHED,
    LONG,
    PAUSED,
    STOPPED,
    begin_step,
    first_place,
    is_due,
    remember,
)
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
    """Run steps until there is a reason to end; return it, and the place."""
    first, places = first_place(control, thread), 2 + 2 * calls
    step, i, now = first // (calls + 1), first % (calls + 1) - 1, nanoseconds()
    while True:
        place, at = step * (calls + 1), (step * threads + thread) * places
        if i < 0:
            if is_due(place, first, control, thread):
                return PAUSED, place
            if step < steps:
                stamps[at] = nanoseconds()
            begin_step(
                step, steps, table, live, words, scalar_table, scalars, scalar_count, control, SOLO, thread, threads
            )
            if step == steps or live[words] != 0:
                barrier(control, threads)
                return FINISHED if step == steps else STOPPED, place
            now = nanoseconds()
            stamps[at + 1] = now
            i = 0
        while i < calls:
            flags = program[3 * i + 2]
            if flags & LONG and is_due(place + i + 1, first, control, thread):
                return PAUSED, place + i + 1
            if flags & BARRIER:
                barrier(control, threads)
                now = nanoseconds()
            stamps[at + 2 + 2 * i] = now
            if not (flags & ALONE and thread != 0):
                status = call_kernel(program[3 * i], program[3 * i + 1], thread, threads, 0)
                if status != 0:
                    barrier(control, threads)
                    return status, place
                now = nanoseconds()
            stamps[at + 3 + 2 * i] = now
            i += 1
        step, i = step + 1, -1


@kernel
def run_steps_timed(
    program: InLong, calls: Size, table: InLong, steps: Size, live: OutLong, words: Size, scalar_table: InDouble,
    scalars: OutDouble, scalar_count: Size, control: Size, stamps: OutLong, thread: Thread, threads: Threads,
) -> int:  # fmt: skip
    """Run steps as `run_steps` does, and write down the times (nanoseconds) of what each thread does.

    stamps (steps, threads, 2 + 2 calls): when the thread comes to the barrier before the step, when it leaves it, and
    when it begins and ends each call. What a thread leaves to another begins and ends at once.
    """
    status: int
    before = flush_denormals()
    status, place = timed_steps_of_thread(
        program, calls, table, steps, live, words, scalar_table, scalars, scalar_count, control, stamps, thread, threads
    )
    remember(place, status, control, thread)
    keep_denormals(before)
    return status
