"""How threads work together: the habit that steps are fastest with, as measured now and then."""

from itertools import groupby

import numpy as np
import pytest

from dlrun.executor.habits import (
    FAVOURITE,
    HABIT,
    HABITS,
    LOST,
    MOST_DOUBLINGS,
    SLEEPS,
    SOLO,
    SOLO_SPAN,
    SPAN,
    SPINS,
    STAY,
    STAYED,
    choose_habit,
)
from dlrun.executor.meeting import CONTROL_BYTES
from dlrun.executor.profiler import Profiler
from dlrun.kernels.lang import InLong, OutLong, Size, atomic_load, kernel
from tests.compiler.networks import NETWORKS
from tests.executor.test_executor import BATCH, executor, steps, threads_left
from tests.support.kernels import call_kernel

THREADS = 2
QUICK, SLOW = 100_000, 200_000
"""Nanoseconds of a step."""


@kernel
def choose(control: Size, now: InLong, habit: OutLong) -> None:
    """Choose before the step now[0] of now[1], at the time now[2], of now[3] habits."""
    choose_habit(control, now[0], now[1], now[2], now[3], THREADS)
    habit[0] = atomic_load(control + HABIT)


class Machine:
    """Threads whose steps take so many nanoseconds with each habit: spinning, sleeping, one alone."""

    def __init__(self, *costs):
        self.control = np.zeros(CONTROL_BYTES // 8, np.int64)
        self.costs, self.now = costs, 1_000

    def run(self, steps, habits=HABITS):
        """Run steps from the first; return the habit of each."""
        habit, found = np.zeros(1, np.int64), []
        for step in range(steps + 1):
            now = np.array([step, steps, self.now, habits])
            call_kernel(choose, control=self.control.ctypes.data, now=now, habit=habit)
            found.append(int(habit[0]))
            self.now += self.costs[found[-1]] if step < steps else 0
        return found[:-1]

    @property
    def favourite(self):
        return self.control[FAVOURITE // 8]


def spans(habits):
    """Return each habit in its turn, with how many steps it was kept for."""
    return [(habit, len(list(group))) for habit, group in groupby(habits)]


def test_rounds_in_vain_become_rare():
    found = spans(Machine(QUICK, SLOW, SLOW).run(SPAN // QUICK * STAY * 100))
    assert [habit for habit, _ in found[:6]] == [SPINS, SLEEPS, SOLO] * 2
    assert {count for habit, count in found if habit == SLEEPS} == {SPAN // SLOW}
    assert {count for habit, count in found[:-1] if habit == SOLO} == {SOLO_SPAN // SLOW}
    kept = [count for habit, count in found[:-1] if habit == SPINS]
    assert kept == [SPAN // QUICK * STAY << min(i, MOST_DOUBLINGS) for i in range(len(kept))]
    assert len(kept) > MOST_DOUBLINGS


@pytest.mark.parametrize("best", [SLEEPS, SOLO])
def test_what_is_faster_is_chosen_in_the_first_round(best):
    machine = Machine(*(QUICK if habit == best else SLOW for habit in range(HABITS)))
    found = machine.run(SPAN // QUICK * STAY * 2)
    assert found.index(best) <= SPAN // SLOW * (STAY + 1)
    assert machine.favourite == best
    assert found.count(best) > len(found) // 3


@pytest.mark.parametrize(("costs", "best"), [((100, 90, 100), SPINS), ((100, 100, 95), SPINS), ((100, 79, 89), SLEEPS)])
def test_a_small_gain_is_noise(costs, best):
    machine = Machine(*(cost * 1_000 for cost in costs))
    machine.run(SPAN // QUICK * STAY * 8)
    assert machine.favourite == best


def test_steps_that_would_take_long_alone_are_never_left_to_one():
    machine = Machine(3_000_000, 4_000_000, 1_000_000)
    assert SOLO not in machine.run(2_000)


def test_a_machine_that_becomes_busy_and_quiet_again():
    machine = Machine(QUICK, SLOW, SLOW)
    machine.run(SPAN // QUICK * STAY * 4)
    for costs in ((4 * SLOW, QUICK, SLOW), (2 * SLOW, SLOW, QUICK), (QUICK, SLOW, SLOW)):
        machine.costs = costs
        machine.run(SPAN // QUICK * STAY * 8)
        assert machine.favourite == np.argmin(costs)


def test_steps_that_suddenly_take_longer_begin_a_round():
    machine = Machine(QUICK, SLOW, SLOW)
    found = spans(machine.run(SPAN // QUICK * STAY * 60))
    at_ease = max(count for habit, count in found if habit == SPINS)
    machine.costs = (2 * QUICK, SLOW, SLOW)
    found = machine.run(SPAN // QUICK * STAY * 10)
    assert found.index(SLEEPS) <= 2 * SPAN // QUICK < at_ease
    assert len(spans(found)) <= 6


@pytest.mark.parametrize("steps", [2, 7])
def test_short_runs_make_spans_together(steps):
    machine = Machine(SLOW, QUICK, 2 * SLOW)
    for _ in range(SPAN // QUICK * STAY * 2 // steps):
        machine.run(steps)
        machine.now += 10 * SPAN
    assert machine.favourite == SLEEPS


def test_runs_of_one_step_are_not_measured():
    machine = Machine(SLOW, QUICK, QUICK)
    for _ in range(SPAN // QUICK * STAY * 2):
        machine.run(1)
    assert machine.favourite == SPINS


def test_a_loop_may_leave_the_last_habit_out():
    machine = Machine(SLOW, 2 * SLOW, QUICK)
    machine.run(SPAN // QUICK * STAY * 2)
    assert machine.favourite == SOLO
    assert SOLO not in machine.run(SPAN // QUICK * STAY * 2, habits=SOLO)


def force(made, habit):
    """Let an executor's threads have a habit, at least for some spans."""
    made._control[HABIT // 8] = made._control[FAVOURITE // 8] = habit
    made._control[STAYED // 8], made._control[LOST // 8] = 0, 30


def assert_same(made, other):
    for region in ("weights", "optimizer"):
        np.testing.assert_array_equal(made.arenas[region], other.arenas[region])


@pytest.mark.parametrize("threads", [2, 3, 8])
@pytest.mark.parametrize("name", NETWORKS)
def test_one_thread_alone_makes_the_same_bits(name, threads):
    made, one = executor(name, threads), executor(name, 1)
    table, scalars = steps(40)
    assert one.run(table, scalars).finished
    for part in (slice(0, 15), slice(15, 16), slice(16, 40)):
        force(made, SOLO)
        assert made.run(table[part], scalars[part]).finished
    assert_same(made, one)


@pytest.mark.parametrize("threads", [2, 3, 8])
@pytest.mark.parametrize("name", ["dense", "wide"])
def test_the_habit_may_change_before_any_step(name, threads, monkeypatch):
    monkeypatch.setattr("dlrun.executor.executor.POLL_NANOSECONDS", 0)
    made, one = executor(name, threads), executor(name, 1)
    habits = np.random.default_rng(threads).integers(0, HABITS, 10_000)
    table, scalars = steps(2_000)
    assert one.run(table, scalars).finished
    assert made.run(table, scalars, lambda done: force(made, habits[done])).finished
    assert_same(made, one)


@pytest.mark.parametrize("threads", [2, 8])
def test_a_stop_reaches_those_who_do_not_work(threads, monkeypatch):
    monkeypatch.setattr("dlrun.executor.executor.POLL_NANOSECONDS", 0)
    made, one, done = executor(threads=threads), executor(threads=1), 0
    table, scalars = steps(300)
    before = threads_left()
    while done < len(table):
        force(made, SOLO)
        outcome = made.run(table[done:], scalars[done:], lambda count: made.stop() if count else None)
        done += outcome.steps
    assert one.run(table, scalars).finished
    assert_same(made, one)
    assert threads_left() == before


@pytest.mark.parametrize("threads", [2, 8])
def test_a_refused_step_ends_the_run_of_those_who_do_not_work(threads):
    made = executor(threads=threads)
    made.data["data/inputs/x"][3 * BATCH + 1, 0] = np.nan
    before = threads_left()
    force(made, SOLO)
    outcome = made.run(*steps(9))
    assert (outcome.steps, outcome.status) == (3, 1)
    assert threads_left() == before
    made.data["data/inputs/x"][3 * BATCH + 1, 0] = 0
    assert made.run(*steps(9)).finished


@pytest.mark.parametrize("count", [1, 30])
def test_a_profile_has_the_times_of_all_threads(count):
    made = executor(threads=2)
    force(made, SOLO)
    outcome, timings = Profiler(made).run(*steps(count))
    assert outcome.finished
    assert np.all(timings.stamps > 0)
