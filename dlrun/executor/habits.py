"""How threads make steps together: which of three habits takes the least time, measured again and again.

A thread that waits for others spins, then sleeps. Where each thread has a core of its own, others come within
microseconds, and waking up takes tens of them: to spin is best. Where other processes want the cores too, a thread that
spins burns the time slice of the one for which it waits: to sleep at once is best. And where steps are short, or a core
is slow or lent elsewhere, meeting may cost more than sharing saves: the first thread alone, while the others sleep, is
best. None of this can be read off from a wait, so the habits are measured, over spans of a few time slices, and of less
where steps take much longer than they should: cores are lent and given back within tens of milliseconds. No result
depends on it, as steps have the same bits on any number of threads.

Of the favourite it is known what steps took lately, of the others what they took when last tried. One that would be
better, if that still holds, is tried, and kept if it is. What is known of others fades towards zero, so that each has
its turn at last. Spinning, which is best on an idle machine, has one whenever its trials may cost something: what they
lose is kept to a share of the time, a smaller one the more of them were in vain.

What is noted stands in the control block; the last thread to come before a step reads and writes it.
"""

from dlrun.kernels.lang import Primitive, atomic_load, atomic_store, helper

HABIT, FAVOURITE, CREDIT, LOST, LEAST, COSTS = 320, 384, 392, 400, 408, 424
"""Byte offsets in the control block: the habit; the best one; the nanoseconds that trials of spinning may cost; how
many hundredths of them were in vain, or regretted; nanoseconds of a step in the best of times; and with each habit, 0
where nothing is known."""
BEGAN, FIRST, SPENT, COUNTED = 448, 456, 464, 472
"""Byte offsets of when, and before which step, this run's part of the span began, and of nanoseconds and steps of its
parts in earlier runs: a run may be shorter than a span."""
SPINS, SLEEPS, SOLO = 0, 1, 2
"""The habits: to spin for longer than threads of equal work wait on each other; hardly to spin; to leave all work to
the first thread."""
HABITS = 3
SPAN, LEAST_SPAN, STEPS = 20_000_000, 1_000_000, 2
"""Nanoseconds of a span, and of one whose steps take half as long again as the favourite's; its steps, at least."""
LATELY = 40_000_000
"""Nanoseconds over which what steps took with the favourite is evened out."""
SHARE, STUBBORN, MOST_DOUBLINGS = 16, 400, 4
"""One part in so many of the time may be lost in trials of spinning; half as much, so many times at most, for each so
many hundredths of them in vain."""
MOST_CREDIT, MOST_DEBT = 2_000_000, 10_000_000
"""Nanoseconds of what such trials may cost that are saved up, and that one may be in debt with, at most."""
FADING, FORGIVEN = 512, 64
"""One part in so many of what is known, of other habits or the best of times, is forgotten in each span; and, of trials
of spinning in vain, in each span of spinning."""
HASTE = 8
"""How much faster other habits are forgotten while steps take a quarter longer than in the best of times."""
GAIN = 90
"""Hundredths of the favourite's time that another habit than spinning may take to be chosen: noise shouldn't decide."""
SOLO_MOST = 2_000_000
"""Nanoseconds that a step may take alone, at a guess, for that to be tried."""

nanoseconds = Primitive("dlrun.kernels.clock:nanoseconds")


@helper
def is_better(habit, cost, best):  # type: ignore[no-untyped-def]
    """Return whether a habit, with which a step took `cost`, takes the place of the favourite, which took `best`."""
    return cost <= best if habit == SPINS else 100 * cost < GAIN * best


@helper
def choose_trial(control, favourite, best, habits, threads):  # type: ignore[no-untyped-def]
    """Return the habit to try after a span of the favourite: one that looks better, if any."""
    for habit in range(habits):
        is_short = habit != SOLO or best * threads <= SOLO_MOST
        if habit != favourite and is_short and is_better(habit, atomic_load(control + COSTS + 8 * habit), best):
            return habit
    return SPINS if atomic_load(control + CREDIT) >= 0 else favourite


@helper
def account(control, habit, favourite, best, spent, steps):  # type: ignore[no-untyped-def]
    """Add to what trials of spinning may cost, or take from it what this span of one did."""
    credit, lost = atomic_load(control + CREDIT), atomic_load(control + LOST)
    if habit == favourite:
        credit += spent // (SHARE << min(lost // STUBBORN, MOST_DOUBLINGS))
    elif habit == SPINS:
        credit -= spent - steps * best
    atomic_store(control + CREDIT, max(min(credit, MOST_CREDIT), -MOST_DEBT))


@helper
def end_stay(control, favourite, best, cost, spent):  # type: ignore[no-untyped-def]
    """Note what steps took with the favourite lately; let fade what is known of others. Return the former."""
    lately = cost if best == 0 else best + (cost - best) * min(spent, LATELY) // LATELY
    least = atomic_load(control + LEAST)
    least = lately if least == 0 else min(lately, least + least // FADING)
    atomic_store(control + LEAST, least)
    fading = FADING // HASTE if 4 * lately > 5 * least else FADING
    for habit in range(HABITS):
        known = atomic_load(control + COSTS + 8 * habit)
        known -= (known + fading - 1) // fading
        atomic_store(control + COSTS + 8 * habit, lately if habit == favourite else known)
    if favourite == SPINS:
        lost = atomic_load(control + LOST)
        atomic_store(control + LOST, lost - lost // FORGIVEN)
    return lately


@helper
def end_trial(control, habit, favourite, best, cost):  # type: ignore[no-untyped-def]
    """Make the habit that was tried the favourite, or go back to that; return which."""
    atomic_store(control + COSTS + 8 * habit, cost)
    better = is_better(habit, cost, best)
    if (habit == SPINS and not better) or (favourite == SPINS and better):
        atomic_store(control + LOST, atomic_load(control + LOST) + 100)
    if better:
        atomic_store(control + FAVOURITE, habit)
        return habit
    return favourite


@helper
def end_span(control, spent, steps, habits, threads):  # type: ignore[no-untyped-def]
    """Note what so many steps took with the present habit; choose the one for the next span."""
    habit, favourite = atomic_load(control + HABIT), atomic_load(control + FAVOURITE)
    best, cost = atomic_load(control + COSTS + 8 * favourite), max(spent // steps, 1)
    account(control, habit, favourite, best, spent, steps)
    if habit == favourite:
        best = end_stay(control, favourite, best, cost, spent)
        habit = choose_trial(control, favourite, best, habits, threads)
    else:
        habit = end_trial(control, habit, favourite, best, cost)
    atomic_store(control + HABIT, habit)


@helper
def is_over(control, spent, steps):  # type: ignore[no-untyped-def]
    """Return whether a span that took so long for so many steps has ended: others than spinning have a whole one."""
    if steps < STEPS or spent < LEAST_SPAN or spent >= SPAN:
        return steps >= STEPS and spent >= SPAN
    habit, favourite = atomic_load(control + HABIT), atomic_load(control + FAVOURITE)
    best = atomic_load(control + COSTS + 8 * favourite)
    return habit in (favourite, SPINS) and best > 0 and 2 * spent > 3 * steps * best


@helper
def choose_habit(control, step, steps, now, habits, threads):  # type: ignore[no-untyped-def]
    """Choose how threads work from this step on, `now` in nanoseconds, of the first `habits`.

    What is between two runs isn't measured, nor are runs of one step: a prologue is one.
    """
    if steps == 1:
        return
    if step == 0:
        if max(atomic_load(control + HABIT), atomic_load(control + FAVOURITE)) >= habits:
            atomic_store(control + HABIT, SPINS)
            atomic_store(control + FAVOURITE, SPINS)
        atomic_store(control + BEGAN, now)
        atomic_store(control + FIRST, 0)
        return
    spent = atomic_load(control + SPENT) + now - atomic_load(control + BEGAN)
    counted = atomic_load(control + COUNTED) + step - atomic_load(control + FIRST)
    if is_over(control, spent, counted):
        end_span(control, spent, counted, habits, threads)
        spent = counted = 0
    elif step < steps:
        return
    atomic_store(control + SPENT, spent)
    atomic_store(control + COUNTED, counted)
    atomic_store(control + BEGAN, now)
    atomic_store(control + FIRST, step)
