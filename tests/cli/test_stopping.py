"""Ctrl-C, SIGTERM and SIGKILL against the real command, and the way back."""

import json
import random
import signal
import time

import pytest

from dlrun.runs.directory import RunDirectory
from dlrun.runs.record import read_record
from tests.cli.commands import LONG, wait_until
from tests.training.runs import assert_same_runs, content_of


def training_since(process):
    """Wait until the first step is near: the line that says what is trained."""
    lines = [process.stdout.readline() for _ in range(1)]
    while not lines[-1].startswith("training "):
        assert lines[-1], process.stderr.read()
        lines.append(process.stdout.readline())
    return lines


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    from tests.cli.commands import Workplace

    place = Workplace(tmp_path_factory.mktemp("undisturbed"))
    place.write(LONG, "long.yaml")
    place.run("train", "long.yaml")
    return RunDirectory(place.runs / "long-1")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_step_and_names_the_way_back(place, undisturbed, number):
    place.write(LONG, "long.yaml")
    process = place.start("train", "long.yaml")
    training_since(process)
    time.sleep(0.1)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    run = RunDirectory(place.runs / "long-1")
    assert process.returncode == 130
    assert err.splitlines() == [
        f"stopped after step {content_of(run.last)[1]['step']}; a checkpoint is in {run.last}",
        f"  help: dlrun resume {run.path}",
    ]
    assert out.splitlines()[-1] == str(run.path)
    record = read_record(run.record)
    assert (record.status, record.reason) == ("stopped", "interrupted")
    assert 0 < content_of(run.last)[1]["step"] < 18000
    if number == signal.SIGINT:
        place.run("resume", "long-1")
        assert_same_runs(undisturbed, run)


def test_kills_at_any_moment_change_nothing(place, undisturbed):
    """SIGKILL, at random moments from the very start on, until the run has come to its end."""
    place.write(LONG, "long.yaml")
    generator, run = random.Random(3), RunDirectory(place.runs / "long-1")
    process = place.start("train", "long.yaml")
    wait_until(run.record.exists)
    for _ in range(4):
        time.sleep(generator.uniform(0, 1.5))
        process.kill()
        process.communicate()
        assert read_record(run.record).observed_status() in ("interrupted", "finished")
        process = place.start("resume", "latest")
    assert process.wait(timeout=60) == 0
    process.communicate()
    assert_same_runs(undisturbed, run)
    assert not [path for path in run.path.rglob("*") if path.name.startswith(".")]


STATEFUL = """
name: stateful
data:
  source: {type: text, path: s.txt, stream: true, length: 8}
  inputs: {text: {transforms: [{type: tokenize, level: character}]}}
  target: {input: text, shift: 1}
  split: {validation: 0.1}
model:
  layers:
    - {type: embedding, output_dim: 8}
    - {type: lstm, units: 16, return_sequences: true, stateful: true}
    - {type: dense, units: 7, activation: softmax}
loss: cross_entropy
optimizer: adam
training: {epochs: 12, batch_size: 4, threads: 1, shuffle: false}
"""
"""4,200 steps an epoch, some tenths of a second each: the state is in the checkpoint of one that is stopped."""


def test_a_state_carried_from_step_to_step_survives_kills_and_stops(place):
    text = random.Random(0).choices(("abcd ", "abdc "), k=30000)
    (place.folder / "s.txt").write_text("".join(text))
    place.write(STATEFUL, "stateful.yaml")
    place.run("train", "stateful.yaml")
    process = place.start("train", "stateful.yaml")
    training_since(process)
    for number in (signal.SIGKILL, signal.SIGINT):
        time.sleep(0.3)
        process.send_signal(number)
        process.communicate(timeout=60)
        process = place.start("resume", "stateful-2")
        training_since(process)
    process.communicate(timeout=120)
    assert process.returncode == 0
    assert_same_runs(*(RunDirectory(place.runs / f"stateful-{number}") for number in (1, 2)))


def test_the_second_one_ends_at_once(place):
    """A step that takes half a minute (the whole data, a wide layer) would be waited for by the first alone."""
    place.write(LONG, "long.yaml")
    wide = ("model.layers[0].units=6000", "training.batch_size=full", "training.epochs=100")
    process = place.start("train", "long.yaml", *wide)
    training_since(process)
    began = time.monotonic()
    for _ in range(3):
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
    process.communicate(timeout=60)
    assert process.returncode in (130, -signal.SIGINT)
    assert time.monotonic() - began < 10
    assert json.loads((place.runs / "long-1" / "run.json").read_text())["process"]["pid"] == process.pid


def test_a_signal_before_the_first_step(place):
    place.write(LONG, "long.yaml")
    process = place.start("train", "long.yaml")
    run = RunDirectory(place.runs / "long-1")
    wait_until(run.log.exists)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"dlrun resume {run.path}" in err
    assert "Traceback" not in err
