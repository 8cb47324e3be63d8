"""The loop of threads that make whole steps, each in memory of its own: whoever is free claims the next one."""

from dlrun.executor.run_loop import FINISHED, PAUSED, STOP, STOPPED, is_due
from dlrun.kernels.lang import (
    InLong,
    OutLong,
    Size,
    Thread,
    Threads,
    atomic_add,
    atomic_load,
    call_kernel,
    flush_denormals,
    helper,
    keep_denormals,
    kernel,
)


@helper
def claimed_steps(program, calls, table, steps, live, words, claims, control, thread):  # type: ignore[no-untyped-def]
    """Make steps until there is a reason to end; return it."""
    made = 0
    while True:
        if is_due(made, 0, control, thread):
            return PAUSED
        if atomic_load(control + STOP) != 0:
            return STOPPED
        step = atomic_add(claims, 1)
        if step >= steps:
            return FINISHED
        for i in range(words):
            live[i] = table[step * words + i]
        for i in range(calls):
            call_kernel(program[3 * i], program[3 * i + 1], 0, 1, 0)
        made += 1


@kernel
def run_claimed(
    program: InLong, calls: Size, table: InLong, steps: Size, live: OutLong, words: Size, claims: Size,
    control: Size, thread: Thread, threads: Threads,
) -> int:  # fmt: skip
    """Make one step after the other, those that no other thread has claimed, until all are.

    The arguments are those of `run_steps`; program and live are this thread's own. At `claims` all threads count which
    step is next. Returns FINISHED or STOPPED, in thread 0 also PAUSED, between two steps from the time in word DUE on,
    to be called again.
    """
    status: int
    before = flush_denormals()
    status = claimed_steps(program, calls, table, steps, live, words, claims, control, thread)
    keep_denormals(before)
    return status
