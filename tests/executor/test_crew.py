"""Threads that make whole steps each: the results of one thread, whoever makes which step."""

import _thread
import os
import signal
import threading

import numpy as np
import pytest

from dlrun.compiler.compile import compile_plan
from dlrun.compiler.lower import Goal
from dlrun.compiler.updates import UpdateRule
from dlrun.executor.crew import Crew
from dlrun.executor.executor import Executor
from dlrun.executor.run_loop import FINISHED, STOPPED
from dlrun.training.steps import step_table
from tests.compiler.networks import NETWORKS, model
from tests.executor.test_executor import threads_left

ROWS, BATCH = 1003, 8
SHAPES = {name: shape for name, (_, shape) in NETWORKS.items()}


def made(kind, name="dense", threads=1, rows=ROWS):
    """An executor or crew that evaluates rows, in an order of its own."""
    network = model(name)
    random = np.random.default_rng(0)
    data = {
        "data/inputs/x": random.standard_normal((rows, *SHAPES[name])).astype(np.float32),
        "data/targets/target": random.integers(0, 3, rows).astype(np.int32),
        "order": random.permutation(rows),
        "out/losses": np.zeros(rows, np.float32),
        "out/penalties": np.zeros(rows, np.float32),
        "out/predictions": np.zeros((rows, 3), np.float32),
    }
    plan = compile_plan(network, Goal(training=False, apart=kind is Crew), UpdateRule(), "float32", BATCH, 1, 0)
    found = kind(plan, threads, data)
    for buffer in found.plan.region("weights"):
        found.array(buffer.name)[:] = random.random(buffer.size)  # variances among them
    return found


def run(executor, rows=ROWS):
    table = step_table(0, rows, BATCH)
    return executor.run(table, np.zeros((len(table), 1)))


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_results_are_those_of_one_thread(name, threads):
    crew, one = made(Crew, name, threads), made(Executor, name)
    for _ in range(3):
        outcome = run(crew)
        assert (outcome.steps, outcome.status) == (-(-ROWS // BATCH), FINISHED)
        assert run(one).finished
        for key in ("out/losses", "out/predictions"):
            assert np.all(one.data[key] >= 0)
            assert np.any(one.data[key])
            np.testing.assert_array_equal(crew.data[key], one.data[key])
            crew.data[key][:] = 0
        for executor in (crew, one):
            for buffer in executor.plan.region("weights"):
                executor.array(buffer.name)[:] *= 0.9  # the prologue has to see it


def test_all_have_memory_of_their_own_and_the_same_weights():
    crew = made(Crew, threads=3)
    members = (crew, *crew._others)
    assert len({member.arenas["weights"].ctypes.data for member in members}) == 1
    assert len({member.arenas["work"].ctypes.data for member in members}) == len(members)
    assert all(member.data["out/losses"] is crew.data["out/losses"] for member in members)


@pytest.mark.parametrize("rows", [0, 1, BATCH + 1])
def test_fewer_steps_than_threads(rows):
    crew = made(Crew, threads=4)
    assert run(crew, rows).finished
    assert np.all(crew.data["out/losses"][:rows] > 0)
    assert not np.any(crew.data["out/losses"][rows:])


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_a_stop_comes_between_steps(threads):
    crew, before = made(Crew, threads=threads), threads_left()
    table = np.concatenate([step_table(0, ROWS, BATCH)] * 20_000)
    timer = threading.Timer(0.1, crew.stop)
    timer.start()
    outcome = crew.run(table, np.zeros((len(table), 1)))
    timer.join()
    assert outcome.status == STOPPED
    assert 0 < outcome.steps < len(table)
    assert threads_left() == before
    assert run(crew).finished


@pytest.mark.parametrize("threads", [1, 3])
def test_a_signal_leaves_no_thread_behind(threads):
    crew, before = made(Crew, threads=threads), _thread._count()
    table = np.concatenate([step_table(0, ROWS, BATCH)] * 20_000)
    timer = threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        crew.run(table, np.zeros((len(table), 1)))
    timer.join()
    assert threads_left() == before
    assert run(crew).finished


def test_a_second_signal_leaves_no_thread_behind(monkeypatch):
    """It comes while the first thread waits for the others."""
    crew, before, join = made(Crew, threads=3), _thread._count(), threading.Thread.join
    table = np.concatenate([step_table(0, ROWS, BATCH)] * 20_000)
    timer = threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGINT))
    signals = [None, None]

    def interrupted(thread, timeout=None):
        if signals and thread is not timer:
            signals.pop()
            raise KeyboardInterrupt
        join(thread, timeout)

    monkeypatch.setattr(threading.Thread, "join", interrupted)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        crew.run(table, np.zeros((len(table), 1)))
    assert not signals
    join(timer)
    assert threads_left() == before
    assert run(crew).finished


@pytest.mark.parametrize("threads", [1, 3])
def test_coming_back_after_every_step_changes_nothing(threads, monkeypatch):
    monkeypatch.setattr("dlrun.executor.executor.POLL_NANOSECONDS", 0)
    crew, one = made(Crew, threads=threads), made(Executor)
    assert run(crew).finished
    assert run(one).finished
    np.testing.assert_array_equal(crew.data["out/predictions"], one.data["out/predictions"])


def test_who_polls_hears_of_progress():
    crew, heard = made(Crew, threads=2), []
    table = np.concatenate([step_table(0, ROWS, BATCH)] * 500)
    outcome = crew.run(table, np.zeros((len(table), 1)), heard.append)
    assert outcome.finished
    assert heard == sorted(heard)
    assert 0 < heard[-1] <= len(table)
