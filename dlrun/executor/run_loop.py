"""The loop that every thread runs: steps, and in each step the plan's calls, without entering Python."""

from dlrun.kernels.lang import (
    InDouble,
    InLong,
    OutDouble,
    OutLong,
    Primitive,
    Size,
    Thread,
    Threads,
    atomic_add,
    atomic_load,
    atomic_store,
    call_kernel,
    flush_denormals,
    helper,
    keep_denormals,
    kernel,
    spin_pause,
)

MOST_SPINS, FEWEST_SPINS = 4000, 60
"""Looks at a barrier before a thread sleeps: up to 100 us, longer than threads of equal work wait on each other."""
STOP, DONE, ARRIVED, GENERATION, SLEEPERS, PATIENCE = 0, 64, 128, 192, 256, 320
"""Byte offsets in the control block: each word has a cache line of its own."""
CONTROL_BYTES = 384
FINISHED, STOPPED = 0, -1
BARRIER, ALONE = 1, 2

sleep_while_equal = Primitive("dlrun.kernels.futex:sleep_while_equal")
wake_all = Primitive("dlrun.kernels.futex:wake_all")


@helper
def arrive(control, threads):  # type: ignore[no-untyped-def]
    """Say that this thread is here; return whether it is the last, which then must `release` the others."""
    if threads > 1 and atomic_add(control + ARRIVED, 1) < threads - 1:
        return False
    atomic_store(control + ARRIVED, 0)
    return True


@helper
def release(control):  # type: ignore[no-untyped-def]
    """Let the threads go that wait in `wait`."""
    atomic_add(control + GENERATION, 1)
    if atomic_add(control + SLEEPERS, 0) > 0:
        wake_all(control + GENERATION)


@helper
def wait(control, generation):  # type: ignore[no-untyped-def]
    """Wait until the generation that was read before `arrive` has passed.

    Spins briefly, then sleeps: on a full machine the core is another thread's. Where spinning was in vain there is
    half as much patience the next time, where it wasn't, twice as much: so threads that share a core soon hand it
    over at once, and threads that have their own meet without the operating system.

    A sleeper first counts itself, then sleeps only if the generation is still its own; who releases first raises the
    generation, then looks for sleepers. So either the one is seen or the other.
    """
    patience = MOST_SPINS - atomic_load(control + PATIENCE)
    for _ in range(patience):
        if atomic_load(control + GENERATION) != generation:
            if patience < MOST_SPINS:
                atomic_store(control + PATIENCE, max(MOST_SPINS - 2 * patience, 0))
            return
        spin_pause()
    atomic_store(control + PATIENCE, min(MOST_SPINS - patience // 2, MOST_SPINS - FEWEST_SPINS))
    atomic_add(control + SLEEPERS, 1)
    while atomic_load(control + GENERATION) == generation:
        sleep_while_equal(control + GENERATION, generation)
    atomic_add(control + SLEEPERS, -1)


@helper
def barrier(control, threads):  # type: ignore[no-untyped-def]
    """Wait until all threads are here."""
    if threads == 1:
        return
    generation = atomic_load(control + GENERATION)
    if arrive(control, threads):
        release(control)
    else:
        wait(control, generation)


@helper
def begin_step(  # type: ignore[no-untyped-def]
    step, steps, table, live, words, scalar_table, scalars, scalar_count, control, threads
):  # fmt: skip
    """Wait until all threads have finished the step before; the last to come sets the stage for this one."""
    generation = atomic_load(control + GENERATION)
    if arrive(control, threads):
        atomic_store(control + DONE, step)
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
