"""How threads wait: the habit that steps are faster with, as measured now and then."""

import numpy as np
import pytest

from dlrun.executor.meeting import CONTROL_BYTES, HABIT, MOST_DOUBLINGS, SLEEPS, SPAN, SPINS, STAY, choose_habit
from dlrun.kernels.lang import InLong, OutLong, Size, atomic_load, kernel
from tests.support.kernels import call_kernel

STEPS_OF_SPAN = 4
QUICK, SLOW = SPAN // STEPS_OF_SPAN, SPAN // 2


@kernel
def choose(control: Size, now: InLong, habit: OutLong) -> None:
    """Choose before the step now[0], at the time now[1]."""
    choose_habit(control, now[0], now[1])
    habit[0] = atomic_load(control + HABIT)


class Machine:
    """Threads whose steps take so many nanoseconds with each habit."""

    def __init__(self, **costs):
        self.control = np.zeros(CONTROL_BYTES // 8, np.int64)
        self.costs, self.now = costs, 1_000

    def run(self, steps):
        """Run steps from the first; return the habit of each."""
        habit, habits = np.zeros(1, np.int64), []
        for step in range(steps):
            call_kernel(choose, control=self.control.ctypes.data, now=np.array([step, self.now]), habit=habit)
            habits.append(int(habit[0]))
            self.now += self.costs["sleeping" if habit[0] == SLEEPS else "spinning"]
        return habits


def trials(habits, favourite):
    """Return where the other habit is tried: first steps and lengths."""
    others = np.array([False, *(habit != favourite for habit in habits), False])
    edges = np.flatnonzero(others[1:] != others[:-1])
    return edges[::2], edges[1::2] - edges[::2]


def test_trials_in_vain_become_rare():
    habits = Machine(spinning=QUICK, sleeping=SLOW).run(STEPS_OF_SPAN * STAY * 40)
    at, lengths = trials(habits, SPINS)
    assert set(lengths) == {SPAN // SLOW}
    gaps = np.diff([0, *at]) - [0, *lengths[:-1]]
    expected = [STAY << min(i, MOST_DOUBLINGS) for i in range(len(gaps))]
    assert list(gaps // STEPS_OF_SPAN) == expected
    assert len(gaps) > MOST_DOUBLINGS


def test_sleeping_is_chosen_where_it_is_faster():
    habits = Machine(spinning=SLOW, sleeping=QUICK).run(STEPS_OF_SPAN * STAY * 4)
    first = habits.index(SLEEPS)
    assert first == STAY * SPAN // SLOW
    _, lengths = trials(habits[first:], SLEEPS)
    assert set(lengths) == {SPAN // SLOW}


def test_a_small_gain_is_noise():
    habits = Machine(spinning=QUICK, sleeping=QUICK * 9 // 10).run(STEPS_OF_SPAN * STAY * 4)
    assert habits[-1] == SPINS
    assert np.mean(habits) < 0.1


def test_a_machine_that_becomes_busy_and_quiet_again():
    machine = Machine(spinning=QUICK, sleeping=SLOW)
    machine.run(STEPS_OF_SPAN * STAY * 2)
    machine.costs = {"spinning": 2 * SLOW, "sleeping": QUICK}
    assert machine.run(STEPS_OF_SPAN * STAY * 8)[-1] == SLEEPS
    machine.costs = {"spinning": QUICK, "sleeping": SLOW}
    assert machine.run(STEPS_OF_SPAN * STAY * 8)[-1] == SPINS


@pytest.mark.parametrize("steps", [1, 2])
def test_a_new_run_ends_a_trial(steps):
    machine = Machine(spinning=QUICK, sleeping=QUICK)
    assert machine.run(STEPS_OF_SPAN * STAY + 1)[-1] == SLEEPS
    assert set(machine.run(steps)) == {SPINS}
    assert SLEEPS in machine.run(STEPS_OF_SPAN + 1)
