"""How threads work together: the habit that steps are fastest with, as measured again and again."""

import numpy as np
import pytest

from dlrun.executor.habits import (
    COSTS,
    CREDIT,
    FAVOURITE,
    HABIT,
    HABITS,
    LOST,
    MOST_DEBT,
    SLEEPS,
    SOLO,
    SPAN,
    SPINS,
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
SECOND = 1_000_000_000


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


def test_a_quiet_machine_is_hardly_disturbed():
    machine = Machine(QUICK, SLOW, SLOW)
    found = machine.run(10 * SECOND // QUICK)
    assert found[0] == SPINS
    assert set(found) == {SPINS, SLEEPS, SOLO}
    assert machine.now < 10.1 * SECOND


@pytest.mark.parametrize("best", [SLEEPS, SOLO])
def test_what_is_faster_is_soon_found(best):
    machine = Machine(*(QUICK if habit == best else SLOW for habit in range(HABITS)))
    found = machine.run(3 * SECOND // QUICK)
    assert found.index(best) <= HABITS * SPAN // SLOW
    assert machine.favourite == best
    assert machine.now < 3 * SECOND * 1.07


@pytest.mark.parametrize(("costs", "best"), [((100, 92, 100), SPINS), ((100, 100, 95), SPINS), ((100, 85, 89), SLEEPS)])
def test_a_small_gain_is_noise(costs, best):
    machine = Machine(*(cost * 1_000 for cost in costs))
    machine.run(SECOND // QUICK)
    assert machine.favourite == best


def test_steps_that_would_take_long_alone_are_never_left_to_one():
    machine = Machine(3_000_000, 4_000_000, 1_000_000)
    assert SOLO not in machine.run(2_000)


def test_a_machine_that_becomes_busy_and_quiet_again():
    machine = Machine(QUICK, SLOW, SLOW)
    machine.run(SECOND // QUICK)
    for costs in ((4 * SLOW, QUICK, SLOW), (2 * SLOW, SLOW, QUICK), (QUICK, SLOW, SLOW)):
        machine.costs = costs
        machine.run(SECOND // QUICK)
        assert machine.favourite == np.argmin(costs)


def test_a_core_that_is_lent_for_a_while_costs_little_more_than_working_alone():
    machine = Machine(QUICK, SLOW, QUICK * 5 // 4)
    machine.run(SECOND // QUICK)
    began, steps = machine.now, SECOND // QUICK
    machine.costs = (6 * QUICK, 3 * QUICK, QUICK * 5 // 4)
    found = machine.run(steps)
    assert found.index(SOLO) * machine.costs[SPINS] < SPAN
    assert machine.now - began < 1.1 * steps * machine.costs[SOLO]
    machine.costs = (QUICK, SLOW, QUICK * 5 // 4)
    machine.run(steps // 5)
    assert machine.favourite == SPINS


@pytest.mark.parametrize("steps", [2, 7])
def test_short_runs_make_spans_together(steps):
    machine = Machine(SLOW, QUICK, 2 * SLOW)
    for _ in range(10 * SPAN // QUICK // steps):
        machine.run(steps)
        machine.now += 10 * SPAN
    assert machine.favourite == SLEEPS


def test_runs_of_one_step_are_not_measured():
    machine = Machine(SLOW, QUICK, QUICK)
    for _ in range(10 * SPAN // QUICK):
        machine.run(1)
    assert machine.favourite == SPINS


def test_a_loop_may_leave_the_last_habit_out():
    machine = Machine(SLOW, 2 * SLOW, QUICK)
    machine.run(10 * SPAN // QUICK)
    assert machine.favourite == SOLO
    assert SOLO not in machine.run(10 * SPAN // QUICK, habits=SOLO)


def force(made, habit):
    """Let an executor's threads have a habit, at least for some seconds."""
    made._control[HABIT // 8] = made._control[FAVOURITE // 8] = habit
    made._control[COSTS // 8 : COSTS // 8 + HABITS] = 1 << 40
    made._control[COSTS // 8 + habit] = 0
    made._control[CREDIT // 8], made._control[LOST // 8] = -MOST_DEBT, 1 << 20


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
