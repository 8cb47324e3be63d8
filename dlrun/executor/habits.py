"""How threads make steps together: which of three habits takes the least time, measured now and then.

A thread that waits for others spins, then sleeps. Where each thread has a core of its own, others come within
microseconds, and waking up takes tens of them: to spin is best. Where other processes want the cores too, a thread that
spins burns the time slice of the one for which it waits: to sleep at once is best. And where steps are short, or a core
is slow or lent elsewhere, meeting may cost more than sharing saves: the first thread alone, while the others sleep, is
best. None of this can be read off from a wait, so the habits are measured: now and then threads try the others for a
while, and keep what takes less time. No result depends on it, as steps have the same bits on any number of threads.

What is noted stands in the control block; the last thread to come before a step reads and writes it.
"""

from dlrun.kernels.lang import Primitive, atomic_load, atomic_store, helper

HABIT, FAVOURITE, START, STAYED, LOST, LEAST, COSTS = 320, 384, 392, 400, 408, 416, 424
"""Byte offsets in the control block: the habit; the best one; the one with which a round of trials began; spans since
the last round; rounds in a row that were in vain; nanoseconds of a step, the least since the last round, and with each
habit, in its last span."""
BEGAN, FIRST, SPENT, COUNTED = 448, 456, 464, 472
"""Byte offsets of when, and before which step, this run's part of the span began, and of nanoseconds and steps of its
parts in earlier runs: a run may be shorter than a span."""
SPINS, SLEEPS, SOLO = 0, 1, 2
"""The habits: to spin for longer than threads of equal work wait on each other; hardly to spin; to leave all work to
the first thread."""
HABITS = 3
SPAN, SOLO_SPAN = 20_000_000, 5_000_000
"""Nanoseconds for which a habit is measured: several time slices, or, where nobody waits for anybody, less."""
STAY, MOST_DOUBLINGS = 8, 5
"""Spans until the others are tried again; each round in vain doubles them, up to so many times."""
CALM = 8
"""Spans after a round in which even steps that take half as long again begin no other."""
SLEEPS_GAIN, SOLO_GAIN = 80, 90
"""Hundredths of the time that sleeping, or working alone, may take at most to be chosen: noise shouldn't decide."""
SOLO_MOST = 2_000_000
"""Nanoseconds that a step may take alone, at a guess, for that to be tried."""

nanoseconds = Primitive("dlrun.kernels.clock:nanoseconds")


@helper
def is_better(habit, favourite, cost, best):  # type: ignore[no-untyped-def]
    """Return whether a habit, with which a step took `cost`, takes the place of the favourite, which took `best`."""
    if habit == SLEEPS and favourite == SPINS:
        return 100 * cost < SLEEPS_GAIN * best
    if habit == SPINS and favourite == SLEEPS:
        return SLEEPS_GAIN * cost <= 100 * best
    return 100 * cost < SOLO_GAIN * best


@helper
def next_habit(control, habit, favourite, habits, threads):  # type: ignore[no-untyped-def]
    """Return the habit to try after this one; a round of trials ends with the one with which it began."""
    following = (habit + 1) % HABITS
    if following != SOLO or following == atomic_load(control + START):
        return following
    is_short = atomic_load(control + COSTS + 8 * favourite) * threads <= SOLO_MOST
    return SOLO if habits > SOLO and is_short else SPINS


@helper
def end_span(control, cost, habits, threads):  # type: ignore[no-untyped-def]
    """Note what a step took with the present habit; choose the one for the next span."""
    habit, favourite = atomic_load(control + HABIT), atomic_load(control + FAVOURITE)
    stayed, lost, following = atomic_load(control + STAYED) + 1, atomic_load(control + LOST), habit
    atomic_store(control + COSTS + 8 * habit, cost)
    if stayed > 0:
        least = cost if stayed == 1 else min(cost, atomic_load(control + LEAST))
        atomic_store(control + LEAST, least)
        if stayed >= STAY << lost or (stayed > CALM and 2 * cost > 3 * least):
            atomic_store(control + START, habit)
            following = next_habit(control, habit, favourite, habits, threads)
            stayed = -1
    else:
        if is_better(habit, favourite, cost, atomic_load(control + COSTS + 8 * favourite)):
            favourite = habit
            atomic_store(control + FAVOURITE, favourite)
        following, stayed = next_habit(control, habit, favourite, habits, threads), -1
    if stayed < 0 and following == atomic_load(control + START):
        atomic_store(control + LOST, min(lost + 1, MOST_DOUBLINGS) if favourite == following else 0)
        following, stayed = favourite, 0
    atomic_store(control + STAYED, stayed)
    atomic_store(control + HABIT, following)


@helper
def choose_habit(control, step, steps, now, habits, threads):  # type: ignore[no-untyped-def]
    """Choose how threads work from this step on, `now` in nanoseconds, of the first `habits`.

    What is between two runs isn't measured, nor are runs of one step: a prologue is one.
    """
    if steps == 1:
        return
    if step == 0:
        if habits < HABITS and (atomic_load(control + FAVOURITE) >= habits or atomic_load(control + STAYED) < 0):
            atomic_store(control + HABIT, SPINS)
            atomic_store(control + FAVOURITE, SPINS)
            atomic_store(control + STAYED, 0)
        atomic_store(control + BEGAN, now)
        atomic_store(control + FIRST, 0)
        return
    spent = atomic_load(control + SPENT) + now - atomic_load(control + BEGAN)
    counted = atomic_load(control + COUNTED) + step - atomic_load(control + FIRST)
    if spent >= (SOLO_SPAN if atomic_load(control + HABIT) == SOLO else SPAN):
        end_span(control, spent // counted, habits, threads)
        spent = counted = 0
    elif step < steps:
        return
    atomic_store(control + SPENT, spent)
    atomic_store(control + COUNTED, counted)
    atomic_store(control + BEGAN, now)
    atomic_store(control + FIRST, step)
