"""Times of real steps: they are complete, add up, and taking them changes nothing."""

import numpy as np
import pytest

from dlrun.compiler.traffic import moved_bytes
from dlrun.executor.ceiling import product_ceiling
from dlrun.executor.profiler import Profiler, Timings
from dlrun.kernels.elementwise import accumulate
from dlrun.plan import ROWS, Buffer, Call, Plan
from tests.compiler.networks import NETWORKS
from tests.executor.test_executor import executor, steps


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("nanoseconds", [0, 50_000_000])
def test_profiled_steps_compute_the_same(name, threads, nanoseconds, monkeypatch):
    monkeypatch.setattr("dlrun.executor.executor.POLL_NANOSECONDS", nanoseconds)
    monkeypatch.setattr("dlrun.executor.executor.LONG_FLOPS", 0)
    plain, profiled = executor(name, threads), executor(name, threads)
    plain.run(*steps(20))
    outcome, timings = Profiler(profiled).run(*steps(20))
    assert outcome.finished
    assert len(timings.stamps) == 20
    for region in ("weights", "optimizer"):
        np.testing.assert_array_equal(plain.arenas[region], profiled.arenas[region])
    np.testing.assert_array_equal(plain.data["out/losses"], profiled.data["out/losses"])


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_times_are_complete_and_add_up(threads):
    made = executor("convolution", threads, clipnorm=1.0)
    _, timings = Profiler(made).run(*steps(30))
    calls = made.plan.calls
    assert timings.stamps.shape == (30, threads, 2 + 2 * len(calls))
    assert np.all(timings.stamps > 0)
    assert np.all(np.diff(timings.stamps, axis=2) >= 0), "a thread's times never go back"
    assert np.all(timings.stamps[1:, :, 0] >= timings.stamps[:-1, :, -1])
    alone = [index for index, call in enumerate(calls) if call.partition == "one"]
    assert alone
    assert np.all((timings.ends - timings.begins)[:, 1:, alone] == 0)
    times = timings.call_times()
    np.testing.assert_array_equal(times.busy.sum(axis=1) + times.barriers, times.total)
    assert np.all(times.barriers >= 0)
    assert np.all(times.busy >= 0)
    lengths = (timings.ends - timings.begins).sum(axis=2)
    whole = timings.stamps[:, :, -1] - timings.stamps[:, :, 0]
    np.testing.assert_allclose(times.waiting, (whole - lengths).mean(axis=1))
    barriers = {index for index, call in enumerate(calls[1:]) if call.barrier}
    assert np.all(times.waits[:, sorted({*range(len(calls) - 1)} - barriers)] == 0)


def test_the_critical_path_by_hand():
    """Two threads, three calls, a barrier before the last: thread 1 is last at it, thread 0 at the end."""
    x, y = Buffer("x", 1, "work", row_size=1), Buffer("y", 1, "work", row_size=1)
    calls = [Call(accumulate, {"x": x, "y": y, "rows": ROWS, "size": 1}) for _ in range(3)]
    calls[2].barrier = True
    first = [0, 10, 10, 20, 20, 50, 110, 160]
    second = [5, 12, 12, 60, 60, 100, 105, 115]
    times = Timings(Plan("float32", 1, calls, {}), np.array([[first, second]])).call_times()
    assert times.total.tolist() == [155]
    assert times.busy.tolist() == [[48, 40, 50]]
    assert times.barriers.tolist() == [(12 - 5) + (110 - 100)]
    assert times.waits.tolist() == [[0, (60 + 5) / 2, (10 + 7) / 2]]
    assert times.waiting.tolist() == [(60 + 5 + 10 + 7) / 2]


def test_typical_steps_are_those_near_the_median():
    stamps = np.zeros((8, 1, 2), np.int64)
    stamps[:, 0, 1] = [9, 1, 5, 4, 900, 6, 7, 0]
    typical = Timings(Plan("float32", 1, [], {}), stamps).typical()
    assert typical.totals.tolist() == [5, 4, 6, 7]


def test_a_stopped_profile_has_the_finished_steps_only():
    made = executor(threads=2)
    made.data["data/inputs/x"][3 * 8 + 1, 0] = np.nan
    outcome, timings = Profiler(made).run(*steps(8))
    assert outcome.status == 1
    assert len(timings.stamps) == outcome.steps == 3


def test_moved_bytes():
    """Reads and writes once, updates twice; of the data set and what is collected, a step's share."""
    plan = executor("dense").plan
    moved = {f"{call.node} {call.kernel.name}": moved_bytes(plan, call) for call in plan.calls}
    batch, inputs, units = 8, 5, 4
    zeros = plan.buffers["dense_1/output"].bytes("float32")
    assert moved["data gather_floats"] == 2 * 4 * batch * inputs + 8 * batch + 2 * 4
    assert moved["dense_1 dense_forward"] == 4 * (batch * inputs + inputs * units + units) + zeros
    assert moved["data gather_labels"] == (4 + 4 + 8) * batch
    x, y = Buffer("x", 6, "work", row_size=1), Buffer("y", 6, "work", row_size=1)
    call = Call(accumulate, {"x": x, "y": y, "rows": ROWS, "size": 1})
    assert moved_bytes(plan, call) == 3 * 6 * 4


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_there_is_a_ceiling(precision):
    assert product_ceiling(1, precision) > 0
