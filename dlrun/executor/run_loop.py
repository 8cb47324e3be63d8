"""The loop that every thread runs: steps, and in each step the plan's calls, without entering Python."""

from dlrun.executor.habits import HABIT, HABITS, SOLO, choose_habit, nanoseconds
from dlrun.executor.meeting import (
    CONTROL_BYTES,
    GENERATION,
    arrive,
    barrier,
    form_team,
    rejoin,
    release,
    team_of,
    wait,
)
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
DUE, NEXT = CONTROL_BYTES - 16, CONTROL_BYTES - 8
"""Byte offsets of what is thread 0's alone: when it returns to its caller (in nanoseconds; 0 is never), and where it
goes on. Places are counted in calls, the beginning of a step being one more."""
FINISHED, STOPPED, PAUSED = 0, -1, -2
BARRIER, ALONE, LONG = 1, 2, 4


@helper
def begin_step(  # type: ignore[no-untyped-def]
    step, steps, table, live, words, scalar_table, scalars, scalar_count, control, habits, thread, threads
):  # fmt: skip
    """Wait until the step before is finished; the last to come sets the stage for this one. Return its number.

    It is a later one for a thread that others have worked without. To the end of a run all come.
    """
    generation, team = atomic_load(control + GENERATION), team_of(control, threads)
    if arrive(control, team):
        atomic_store(control + DONE, step)
        live[words] = atomic_load(control + STOP)
        if step < steps:
            for i in range(words):
                live[i] = table[step * words + i]
            for i in range(scalar_count):
                scalars[i] = scalar_table[step * scalar_count + i]
        if threads > 1:
            choose_habit(control, step, steps, nanoseconds(), habits, threads)
            is_alone = habits > SOLO and step < steps and live[words] == 0 and atomic_load(control + HABIT) == SOLO
            if team > 1 or not is_alone:
                form_team(control, is_alone)
                release(control)
    else:
        wait(control, generation)
    if thread > 0:
        rejoin(control)
        return atomic_load(control + DONE)
    return step


@helper
def end_step(status, live, words, control, threads):  # type: ignore[no-untyped-def]
    """Meet after a kernel's status that ends the run: threads that others have worked without are told to stop."""
    if team_of(control, threads) < threads:
        live[words] = 1
        form_team(control, False)
        release(control)
    barrier(control, threads)
    return status


@helper
def first_place(control, thread):  # type: ignore[no-untyped-def]
    """Return the place at which a thread begins: the first, or where thread 0 left."""
    return atomic_load(control + NEXT) if thread == 0 else 0


@helper
def is_due(place, first, control, thread):  # type: ignore[no-untyped-def]
    """Return whether the thread returns to its caller at this place; each time it is called it comes further.

    Only thread 0 does, and then the others wait for it.
    """
    due = atomic_load(control + DUE) if thread == 0 and place > first else 0
    return due != 0 and nanoseconds() >= due


@helper
def remember(place, status, control, thread):  # type: ignore[no-untyped-def]
    """Note where thread 0 goes on: at a place, or anew after an end."""
    if thread == 0:
        atomic_store(control + NEXT, place if status == PAUSED else 0)


@helper
def steps_of_thread(  # type: ignore[no-untyped-def]
    program, calls, table, steps, live, words, scalar_table, scalars, scalar_count, control, thread, threads
):  # fmt: skip
    """Run steps until there is a reason to end; return it, and the place.

    All threads have the same reason, and meet once more when each of them knows it: thread 0 may begin another run at
    once, while others are still on their way out.
    """
    first = first_place(control, thread)
    step, i, team = first // (calls + 1), first % (calls + 1) - 1, team_of(control, threads)
    while True:
        place = step * (calls + 1)
        if i < 0:
            if is_due(place, first, control, thread):
                return PAUSED, place
            step = begin_step(
                step, steps, table, live, words, scalar_table, scalars, scalar_count, control, HABITS, thread, threads
            )
            if step == steps or live[words] != 0:
                barrier(control, threads)
                return FINISHED if step == steps else STOPPED, place
            team, i = team_of(control, threads), 0
        while i < calls:
            flags = program[3 * i + 2]
            if flags & LONG and is_due(place + i + 1, first, control, thread):
                return PAUSED, place + i + 1
            if flags & BARRIER:
                barrier(control, team)
            if not (flags & ALONE and thread != 0):
                status = call_kernel(program[3 * i], program[3 * i + 1], thread, team, 0)
                if status != 0:
                    return end_step(status, live, words, control, threads), place
            i += 1
        step, i = step + 1, -1


@kernel
def run_steps(
    program: InLong, calls: Size, table: InLong, steps: Size, live: OutLong, words: Size, scalar_table: InDouble,
    scalars: OutDouble, scalar_count: Size, control: Size, thread: Thread, threads: Threads,
) -> int:  # fmt: skip
    """Run steps until all are done, a stop is asked for, or a kernel returns a status that isn't 0.

    program (calls, 3): function, argument block, flags: a BARRIER stands before it, thread 0 makes it ALONE, it's LONG.
    table (steps, words): the live values of each step. scalar_table (steps, scalar_count): the optimizer's. Word STOP
    of `control` asks for a stop at the next step's start; word DONE counts the finished steps. Returns FINISHED,
    STOPPED, or the kernel's status; in thread 0 also PAUSED, before the first step or LONG call from the time in word
    DUE on, to be called again. Subnormal numbers are zero inside, and again what they were for the caller after.
    """
    status: int
    before = flush_denormals()
    status, place = steps_of_thread(
        program, calls, table, steps, live, words, scalar_table, scalars, scalar_count, control, thread, threads
    )
    remember(place, status, control, thread)
    keep_denormals(before)
    return status
