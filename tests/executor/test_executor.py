"""Steps, stops, statuses, and what they cost in memory."""

import _thread
import ctypes
import gc
import os
import signal
import threading
import time
import tracemalloc

import numpy as np
import pytest

from dlrun.executor.executor import POLL_NANOSECONDS, Executor
from dlrun.executor.run_loop import FINISHED, STOPPED, run_steps
from dlrun.kernels import store
from dlrun.kernels.target import host_target
from dlrun.optimizers import OPTIMIZERS
from tests.compiler.networks import NETWORKS, compiled, model

ROWS, BATCH = 64, 8
ADAM = OPTIMIZERS["adam"].model_validate({"learning_rate": 0.01})


def executor(name="dense", threads=2, **options):
    network = model(name)
    random = np.random.default_rng(0)
    data = {
        "data/inputs/x": random.standard_normal((ROWS, *network.signature.inputs["x"].shape)).astype(np.float32),
        "data/targets/target": random.integers(0, 3, ROWS).astype(np.int32),
        "order": np.arange(ROWS),
        "out/losses": np.zeros(ROWS, np.float32),
        "out/predictions": np.zeros((ROWS, 3), np.float32),
    }
    made = Executor(compiled(network, threads, batch=BATCH, **options), threads, data)
    for buffer in made.plan.region("weights"):
        made.array(buffer.name)[:] = random.standard_normal(buffer.size) * 0.1
    return made


def steps(count):
    number = np.arange(count)
    first = number * BATCH % ROWS
    table = np.stack([np.full(count, BATCH), number, first, np.ones_like(number), np.ones_like(number), number * 0], 1)
    return table, ADAM.scalars(number, np.full(count, 0.01))


def threads_left():
    """How many threads there are a moment later, when those that have done their work are gone."""
    time.sleep(0.05)
    return _thread._count()


def test_all_steps_are_done():
    made = executor()
    outcome = made.run(*steps(20))
    assert (outcome.steps, outcome.status, outcome.finished) == (20, FINISHED, True)
    assert np.all(made.data["out/losses"] > 0)


def test_no_steps_are_no_trouble():
    assert executor().run(*steps(0)).finished


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_a_stop_takes_effect_at_a_steps_end(threads):
    """Weights are those of just so many whole steps, and going on from there is as if nothing had been."""
    count = 400_000
    made = executor(threads=threads)
    table, scalars = steps(count)
    outcome = made.run(table, scalars, lambda done: made.stop() if done else None)
    assert outcome.status == STOPPED
    assert outcome.stopped
    assert 0 < outcome.steps < count
    other = executor(threads=1)
    assert other.run(table[: outcome.steps], scalars[: outcome.steps]).finished
    np.testing.assert_array_equal(made.arenas["weights"], other.arenas["weights"])
    np.testing.assert_array_equal(made.arenas["optimizer"], other.arenas["optimizer"])
    rest = slice(outcome.steps, outcome.steps + 50)
    made.run(table[rest], scalars[rest])
    other.run(table[rest], scalars[rest])
    np.testing.assert_array_equal(made.arenas["weights"], other.arenas["weights"])


def test_an_exception_in_the_poll_stops_the_run_and_is_raised():
    made = executor(threads=1)

    def poll(done):
        raise KeyboardInterrupt

    before = _thread._count()
    with pytest.raises(KeyboardInterrupt):
        made.run(*steps(2_000_000), poll)
    assert threads_left() == before
    assert made.run(*steps(5)).finished


@pytest.mark.parametrize("threads", [1, 2])
def test_a_signal_leaves_no_thread_behind(threads):
    """Nobody may touch the memory once the run has ended: it may be gone soon."""
    made, before = executor(threads=threads), _thread._count()
    timer = threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        made.run(*steps(2_000_000))
    timer.join()
    assert threads_left() == before
    weights = made.arenas["weights"].copy()
    time.sleep(0.02)
    np.testing.assert_array_equal(weights, made.arenas["weights"])


def test_the_poll_hears_of_progress():
    heard = []
    made = executor(threads=1)
    outcome = made.run(*steps(400_000), heard.append)
    assert heard == sorted(heard)
    assert len(heard) >= 2
    assert heard[-1] <= outcome.steps


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("before_calls", [False, True])
def test_coming_back_at_every_place_changes_nothing(name, threads, before_calls, monkeypatch):
    first, heard = executor(name, 1), []
    table, scalars = steps(30)
    first.run(table, scalars)
    monkeypatch.setattr("dlrun.executor.executor.POLL_NANOSECONDS", 0)
    if before_calls:
        monkeypatch.setattr("dlrun.executor.executor.LONG_FLOPS", 0)
    made = executor(name, threads)
    for half in (slice(0, 15), slice(15, 30)):
        assert made.run(table[half], scalars[half], heard.append).finished
    # Before a step's first call it has just been begun; the step before counts until then.
    places = len(made.plan.calls) + 1 if before_calls else 1
    assert heard == 2 * ([step for step in range(15) for _ in range(places)] + [15])
    for region in ("weights", "optimizer"):
        np.testing.assert_array_equal(made.arenas[region], first.arenas[region])


@pytest.mark.parametrize("threads", [2, 8])
def test_a_run_may_begin_while_threads_of_the_one_before_are_on_their_way_out(threads, monkeypatch):
    """Stopped at once and begun again, with more threads than cores: whoever comes late has nothing left to do."""
    monkeypatch.setattr("dlrun.executor.executor.POLL_NANOSECONDS", 0)
    made, first, done = executor(threads=threads), executor(threads=1), 0
    table, scalars = steps(300)
    while done < len(table):
        outcome = made.run(table[done:], scalars[done:], lambda _: made.stop())
        assert outcome.stopped or outcome.finished
        done += outcome.steps
    assert first.run(table, scalars).finished
    for region in ("weights", "optimizer"):
        np.testing.assert_array_equal(made.arenas[region], first.arenas[region])


@pytest.mark.parametrize("threads", [1, 2, 3, 4])
def test_a_loss_that_is_not_finite_ends_the_run_before_any_weight_moves(threads):
    made = executor(threads=threads)
    made.data["data/inputs/x"][3 * BATCH + 1, 0] = np.nan
    made.run(*steps(3))
    before = made.arenas["weights"].copy(), made.arenas["optimizer"].copy()
    table, scalars = steps(9)
    outcome = made.run(table[3:], scalars[3:])
    assert (outcome.steps, outcome.status) == (0, 1)
    assert not outcome.finished
    assert not outcome.stopped
    np.testing.assert_array_equal(made.arenas["weights"], before[0])
    np.testing.assert_array_equal(made.arenas["optimizer"], before[1])


@pytest.mark.parametrize("name", NETWORKS)
def test_more_threads_than_cores_change_nothing_and_end(name):
    first = executor(name, 1)
    first.run(*steps(40))
    for threads in (4, 8):
        made = executor(name, threads)
        began = time.monotonic()
        assert made.run(*steps(40)).finished
        assert time.monotonic() - began < 30
        for region in ("weights", "optimizer"):
            np.testing.assert_array_equal(made.arenas[region], first.arenas[region])


def test_two_executors_at_once():
    """Each in a thread of its own: they share nothing but the kernels."""
    both = [executor(threads=2), executor(threads=2)]
    workers = [threading.Thread(target=lambda each=each: each.run(*steps(200))) for each in both]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    np.testing.assert_array_equal(both[0].arenas["weights"], both[1].arenas["weights"])


def test_weights_are_shared():
    one = executor()
    other = Executor(one.plan, 2, one.data, weights=one)
    one.run(*steps(5))
    np.testing.assert_array_equal(one.array("dense_1/kernel"), other.array("dense_1/kernel"))


def allocated():
    """The bytes that the C library has given out, in this process."""

    class Info(ctypes.Structure):
        _fields_ = [
            (name, ctypes.c_size_t)
            for name in [
                "arena",
                "ordblks",
                "smblks",
                "hblks",
                "hblkhd",
                "usmblks",
                "fsmblks",
                "uordblks",
                "fordblks",
                "keepcost",
            ]
        ]

    try:
        function = ctypes.CDLL(None).mallinfo2
    except (AttributeError, OSError):
        pytest.skip("the C library tells nothing about its memory")
    function.restype = Info
    info = function()
    return info.uordblks + info.hblkhd


def test_steps_leave_no_memory_behind():
    made = executor(threads=1)
    few, many = steps(100), steps(100_000)
    made.run(*few)
    gc.collect()
    before = allocated()
    made.run(*many)
    gc.collect()
    assert allocated() - before < 50_000


def test_runs_leave_no_memory_behind():
    made = executor(threads=1)
    table, scalars = steps(1)
    for _ in range(20):
        made.run(table, scalars)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(300):
        made.run(table, scalars)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 20_000


@pytest.mark.parametrize("name", NETWORKS)
def test_kernels_cannot_allocate(name):
    """Their object code names no function that gives out memory."""
    made, target = executor(name), host_target("float32")
    for kernel in [*made.plan.kernels, run_steps]:
        stored = store._read(store._path(kernel, target))
        assert stored is not None
        for function in (b"malloc", b"calloc", b"realloc", b"NRT_", b"_Znw", b"PyObject", b"PyErr"):
            assert function not in stored, (kernel.name, function)


def test_arenas_start_at_pages_and_buffers_where_the_plan_says():
    made = executor()
    for region, arena in made.arenas.items():
        assert arena.ctypes.data % 4096 == 0, region
    for buffer in made.plan.buffers.values():
        if buffer.region != "data":
            address = made.arenas[buffer.region].ctypes.data + buffer.offset
            assert made.array(buffer.name).ctypes.data == address


def test_polls_come_often_enough():
    assert POLL_NANOSECONDS <= 100_000_000
