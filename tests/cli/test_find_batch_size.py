"""dlrun find-batch-size: what it prints."""

import json
import shlex

import pytest

from tests.cli.commands import CONFIG


@pytest.fixture
def written(place, monkeypatch):
    monkeypatch.setattr("dlrun.training.batch_sizes.SECONDS", 0.002)
    place.write(CONFIG)
    return place


def test_a_table_and_the_command_that_trains(written):
    printed = written.call("find-batch-size", "small.yaml", "--sizes", "16,8", "training.epochs=1").stdout.splitlines()
    assert printed[0].split("  ")[0] == "batch size"
    assert [line.split()[0] for line in printed[1:3]] == ["8", "16"]
    command = shlex.split(printed[-1])
    assert command[:4] == ["dlrun", "train", "small.yaml", "training.epochs=1"]
    assert command[4] in ("training.batch_size=8", "training.batch_size=16")
    assert not written.runs.exists()
    written.call(*command[1:])


def test_json(written):
    found = json.loads(written.call("find-batch-size", "small.yaml", "--sizes", "8", "--json").stdout)
    assert found["suggested"] == 8
    assert found["present"] == 16
    assert found["measured"][0]["memory_bytes"] > 0


@pytest.mark.parametrize(("sizes", "message"), [("8,x", "no list of whole numbers"), ("1000", "can't be")])
def test_mistakes(written, sizes, message):
    assert message in written.call("find-batch-size", "small.yaml", "--sizes", sizes, expect=2).stderr
