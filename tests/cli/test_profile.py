"""dlrun profile: what it prints and writes, and that it behaves as the other commands do."""

import json
import os
import signal
import threading

import pytest

from dlrun.config.load import load_config
from dlrun.executor.executor import Executor
from dlrun.training.fit import compile_only
from tests.cli.commands import CONFIG, LONG

FIGURES = {"us", "share", "GFLOP/s", "of ceiling", "KB", "GB/s", "waits us"}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("dlrun.training.profile.WARM_UP_SECONDS", 0.0)
    monkeypatch.setattr("dlrun.training.profile.product_ceiling", lambda threads, precision: 1e11)


@pytest.mark.parametrize("threads", [1, 2])
def test_every_call_is_there_and_the_times_add_up(place, threads):
    place.write(CONFIG)
    change = f"training.threads={threads}"
    found = json.loads(place.call("profile", "small.yaml", change, "--steps", "12", "--json").stdout)
    _, plan = compile_only(load_config(place.folder / "small.yaml", [change]))
    names = [(call.node, call.phase, call.kernel.name) for call in plan.calls]
    assert [(row["layer"], row["direction"], row["kernel"]) for row in found["calls"]] == names
    assert [(row["layer"], row["direction"]) for row in found["layers"]] == list(dict.fromkeys(n[:2] for n in names))
    assert {phase for _, phase, _ in names} >= {"data", "forward", "loss", "backward"}
    assert (found["steps"], found["threads"], found["batch"]) == (12, threads, 16)
    for rows in (found["calls"], found["layers"]):
        assert all(row.keys() >= FIGURES for row in rows)
        assert sum(row["us"] for row in rows) == pytest.approx(found["calls_us"])
        assert sum(row["waits us"] for row in rows) == pytest.approx(found["waiting_us"])
        shares = sum(row["share"] for row in rows) + found["barriers_share"]
        assert shares == pytest.approx(1)
    assert found["calls_us"] + found["barriers_us"] == pytest.approx(found["step_us"])
    flops = sum(call.flops for call in plan.calls)
    assert found["gflop_per_second"] == pytest.approx(flops / found["step_us"] / 1e3)
    assert found["samples_per_second"] == pytest.approx(16e6 / found["step_us"])


@pytest.mark.parametrize("threads", [1, 2])
def test_the_trace_has_every_event(place, threads):
    place.write(CONFIG)
    options = (f"training.threads={threads}", "optimizer.clipnorm=1.0", "--steps", "25", "--trace", "trace.json")
    place.call("profile", "small.yaml", *options)
    events = json.loads((place.folder / "trace.json").read_text())["traceEvents"]
    _, plan = compile_only(load_config(place.folder / "small.yaml", [*options[:2]]))
    alone = sum(call.partition == "one" for call in plan.calls)
    assert alone
    barriers = sum(call.barrier for call in plan.calls) + 1
    calls = threads * len(plan.calls) - (threads - 1) * alone
    complete = [event for event in events if event["ph"] == "X"]
    assert len(complete) == 20 * (1 + calls + threads * barriers)
    assert {event["tid"] for event in complete} == set(range(threads + 1))
    assert [event["args"]["name"] for event in events if event["ph"] == "M"][1:] == [
        "steps", *(f"thread {thread}" for thread in range(threads)),
    ]  # fmt: skip
    forward = next(event for event in complete if event["cat"] == "forward")
    assert forward["args"]["layer"] == forward["name"] == "conv2d_1"
    assert {"kernel", "direction", "partition"} <= forward["args"].keys()
    steps = [event for event in complete if event["cat"] == "step"]
    assert [event["name"] for event in steps] == [f"step {number}" for number in range(6, 26)]
    for step in steps:
        end = step["ts"] + step["dur"]
        inside = [event for event in complete if event["tid"] == 1 and step["ts"] <= event["ts"] < end]
        assert all(event["ts"] + event["dur"] <= end + 1e-3 for event in inside if event["cat"] != "barrier")


def test_tables(place):
    place.write(CONFIG)
    layers = place.call("profile", "small.yaml", "--steps", "3").stdout
    kernels = place.call("profile", "small.yaml", "--steps", "3", "--kernels").stdout
    assert layers.splitlines()[0].split("  ")[0] == "layer"
    assert "dense_backward_weights" not in layers
    assert "dense_backward_weights" in kernels
    for text in (layers, kernels):
        assert "samples/s" in text
        assert "of the 100.0 that matrix products in the cache reach here" in text
        assert "waits at barriers" in text


@pytest.mark.parametrize(("width", "columns"), [(200, 11), (90, 7), (44, 4)])
def test_a_narrow_terminal_has_fewer_columns(monkeypatch, width, columns):
    from dlrun.cli.profile import FORMATS, _columns

    names = ("layer", "direction", "kernel", "partition", *FORMATS)
    row = dict.fromkeys(names, "12345678")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setattr("dlrun.cli.output.terminal_width", lambda: width)
    shown = _columns([row])
    assert {"layer", "direction", "kernel", "us"} <= set(shown)
    assert len(shown) == columns


def test_batches_steps_and_gradient_accumulation(place):
    """More steps than an epoch has, and a batch of all rows."""
    place.write(CONFIG)
    for options in (("training.batch_size=full",), ("optimizer.gradient_accumulation_steps=4",)):
        found = json.loads(place.call("profile", "small.yaml", *options, "--steps", "40", "--json").stdout)
        assert found["steps"] == 40


def test_mistakes(place):
    place.write(CONFIG)
    assert "there is no folder" in place.call("profile", "small.yaml", "--trace", "no/trace.json", expect=2).stderr
    assert "units" in place.call("profile", "small.yaml", "model.layers[2].units=-1", expect=2).stderr
    assert place.call("profile", "small.yaml", "--steps", "0", expect=2).stderr
    assert place.call("profile", "absent.yaml", expect=2).stderr
    place.write(CONFIG.replace("source: digits", "source: {type: csv, path: absent.csv}"), "bad.yaml")
    result = place.call("profile", "bad.yaml", expect=1)
    assert "absent.csv" in result.stderr
    assert result.stdout == ""
    huge = "optimizer={type: sgd, learning_rate: 1e30}"
    assert "the loss is not finite" in place.call("profile", "small.yaml", huge, "--steps", "50", expect=1).stderr


def test_ctrl_c_ends_the_step(place, monkeypatch):
    """The signal comes in the middle of 100,000 steps; none of the threads is left behind."""
    run = Executor.run

    def run_and_interrupt(self, table, scalars, poll=None, stamps=None):
        if len(table) > 1000:
            threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        return run(self, table, scalars, poll, stamps)

    monkeypatch.setattr(Executor, "run", run_and_interrupt)
    place.write(LONG, "long.yaml")
    before = threading.active_count()
    result = place.call("profile", "long.yaml", "training.batch_size=256", "--steps", "100000", expect=130)
    assert result.stdout == ""
    assert threading.active_count() == before
