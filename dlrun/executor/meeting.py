"""Where threads meet: barriers, and how threads wait there.

All that threads know of each other stands in the control block, a few words at a fixed address. `dlrun.executor.habits`
chooses how they wait, and whether they work at all: while the first thread works alone, the others wait to be called.
"""

from dlrun.executor.habits import HABIT, SPINS
from dlrun.kernels.lang import Primitive, atomic_add, atomic_load, atomic_store, helper, spin_pause

ARRIVED, GENERATION, SLEEPERS, TEAM = 128, 192, 256, 376
"""Byte offsets in the control block: each word that all threads use has a cache line of its own. TEAM is twice the
generation since which it holds, and 1 more if the first thread works alone."""
CONTROL_BYTES = 512
MOST_SPINS, FEWEST_SPINS = 4000, 60
"""Looks at the generation before a thread sleeps: 100 us and less than 2."""

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
def team_of(control, threads):  # type: ignore[no-untyped-def]
    """Return how many threads work on the running step: all, or the first alone."""
    return 1 if atomic_load(control + TEAM) & 1 else threads


@helper
def form_team(control, is_alone):  # type: ignore[no-untyped-def]
    """Say who works from the next release on: the first thread alone, or all."""
    atomic_store(control + TEAM, 2 * (atomic_load(control + GENERATION) + 1) + is_alone)


@helper
def rejoin(control):  # type: ignore[no-untyped-def]
    """Wait, in another thread than the first, until all work.

    Not from when the word says so, but from the release after it: who waited for an earlier one may be late.
    """
    while True:
        generation = atomic_load(control + GENERATION)
        if atomic_load(control + TEAM) == 2 * generation:
            return
        wait(control, generation)
