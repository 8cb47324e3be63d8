"""The loop of `dlrun.executor.run_loop` with a clock: each thread notes when it begins and ends each call.

A loop of its own, so that the ordinary one pays nothing for it.
"""

from dlrun.executor.run_loop import ALONE, BARRIER, DONE, FINISHED, STOP, STOPPED, barrier
from dlrun.kernels.lang import (
    InDouble,
    InLong,
    OutDouble,
    OutLong,
    Primitive,
    Size,
    Thread,
    Threads,
    atomic_load,
    atomic_store,
    call_kernel,
    flush_denormals,
    kernel,
)

nanoseconds = Primitive("dlrun.kernels.clock:nanoseconds")


@kernel
def run_steps_timed(
    program: InLong, calls: Size, table: InLong, steps: Size, live: OutLong, words: Size, scalar_table: InDouble,
    scalars: OutDouble, scalar_count: Size, control: Size, stamps: OutLong, thread: Thread, threads: Threads,
) -> int:  # fmt: skip
    """Run steps as `run_steps` does, and write down the times (nanoseconds) of what each thread does.

    stamps (steps, threads, 2 calls + 3): when the thread comes to the step's first barrier, when it leaves it; when
    it begins and ends each call; and when it leaves the step's last barrier. What a thread leaves to another begins
    and ends at once.
    """
    flush_denormals()
    places = 2 * calls + 3
    for step in range(steps):
        at = (step * threads + thread) * places
        stamps[at] = nanoseconds()
        if thread == 0:
            for i in range(words):
                live[i] = table[step * words + i]
            live[words] = atomic_load(control + STOP)
            for i in range(scalar_count):
                scalars[i] = scalar_table[step * scalar_count + i]
        barrier(control, threads)
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
                status: int = call_kernel(program[3 * i], program[3 * i + 1], thread, threads, 0)
                if status != 0:
                    return status
                now = nanoseconds()
            stamps[at + 3 + 2 * i] = now
        barrier(control, threads)
        stamps[at + places - 1] = nanoseconds()
        if thread == 0:
            atomic_store(control + DONE, step + 1)
    return FINISHED
