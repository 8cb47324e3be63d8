"""Where threads meet: barriers, and how threads wait there.

A thread that waits spins, then sleeps. Which of the two costs less depends on what else the machine does. Where each
thread has a core of its own, others come within microseconds, and waking up takes longer than the wait, tens of them on
a virtual machine. Where other processes want the cores too, a thread that spins burns the time slice of the one for
which it waits. Neither can be read off from a wait, so both HABITS are measured: now and then the threads try the other
one for a while, and keep the one with which steps take less time. No result depends on it.

All that threads know of each other stands in the control block, a few words at a fixed address.
"""

from dlrun.kernels.lang import Primitive, atomic_add, atomic_load, atomic_store, helper, spin_pause

ARRIVED, GENERATION, SLEEPERS, HABIT = 128, 192, 256, 320
"""Byte offsets in the control block: each word that all threads use has a cache line of its own."""
FAVOURITE, STAYED, LOST, COSTS, BEGAN, FIRST = 384, 392, 400, 408, 424, 432
"""Byte offsets of what the last thread to come keeps: the better habit, the spans since it was chosen, trials of the
other in a row that were in vain, nanoseconds of a step with each, and when and with which step the span began."""
CONTROL_BYTES = 512
SPINS, SLEEPS = 0, 1
"""The habits: to spin for longer than threads of equal work wait on each other, or hardly at all."""
MOST_SPINS, FEWEST_SPINS = 4000, 60
"""Looks at the generation before a thread sleeps: 100 us and less than 2."""
SPAN = 20_000_000
"""Nanoseconds for which a habit is measured: several time slices."""
STAY, MOST_DOUBLINGS = 16, 4
"""Spans until the other habit is tried again; each trial in vain doubles them, up to so many times."""
GAIN = 80
"""To sleep has to take at most so many hundredths of the time to be chosen: a noisy machine shouldn't decide."""

nanoseconds = Primitive("dlrun.kernels.clock:nanoseconds")
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

    A sleeper first counts itself, then sleeps only if the generation is still its own; who releases first raises the
    generation, then looks for sleepers. So either the one is seen or the other.
    """
    spins = MOST_SPINS if atomic_load(control + HABIT) == SPINS else FEWEST_SPINS
    for _ in range(spins):
        if atomic_load(control + GENERATION) != generation:
            return
        spin_pause()
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
def end_span(control, habit, cost):  # type: ignore[no-untyped-def]
    """Note what a step took with a habit; choose the one for the next span."""
    favourite, stayed = atomic_load(control + FAVOURITE), atomic_load(control + STAYED) + 1
    atomic_store(control + COSTS + 8 * habit, cost)
    if habit != favourite:
        spinning, sleeping = atomic_load(control + COSTS + 8 * SPINS), atomic_load(control + COSTS + 8 * SLEEPS)
        better = SLEEPS if 100 * sleeping < GAIN * spinning else SPINS
        lost = min(atomic_load(control + LOST) + 1, MOST_DOUBLINGS) if better == favourite else 0
        atomic_store(control + LOST, lost)
        atomic_store(control + FAVOURITE, better)
        atomic_store(control + HABIT, better)
        stayed = 0
    elif stayed >= STAY << atomic_load(control + LOST):
        atomic_store(control + HABIT, SLEEPS if habit == SPINS else SPINS)
    atomic_store(control + STAYED, stayed)


@helper
def choose_habit(control, step, now):  # type: ignore[no-untyped-def]
    """Choose how threads wait from this step on, `now` in nanoseconds. For the last thread to come before it.

    A run's first step begins a span, with the better habit: what is between runs isn't measured.
    """
    steps = step - atomic_load(control + FIRST)
    if step == 0:
        atomic_store(control + HABIT, atomic_load(control + FAVOURITE))
    elif now - atomic_load(control + BEGAN) >= SPAN:
        end_span(control, atomic_load(control + HABIT), (now - atomic_load(control + BEGAN)) // steps)
    else:
        return
    atomic_store(control + BEGAN, now)
    atomic_store(control + FIRST, step)
