"""The list of runs: what a row says, and that only what changed is read and sent."""

import json
import os
import socket
import subprocess
import sys

import pytest

from dlrun.board import listing
from dlrun.board.listing import RunList
from dlrun.board.reading import value_at
from dlrun.runs.environment import ProcessState
from tests.board.folders import START, add_epoch, make_folds, make_run, make_sweep


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(listing, "LEAST_PAUSE", -1.0)


def rows(folder):
    return {row["id"].partition("/")[2]: row for row in RunList([folder]).changes()["rows"]}


def test_a_runs_row(tmp_path):
    command = ("dlrun", "train", "configs/a.yaml", "training.epochs=4")
    make_run(tmp_path / "a-1", (0.5, 0.8, 0.7), command=command, parameters=12)
    row = rows(tmp_path)["a-1"]
    assert (row["status"], row["epoch"], row["epochs"], row["parameters"]) == ("finished", 3, 4, 12)
    assert row["main"] == {"name": "validation/accuracy", "value": 0.8, "epoch": 2, "more": True}
    assert row["metrics"] == {"validation/loss": pytest.approx(0.3), "validation/accuracy": 0.7}
    assert row["curve"] == [0.5, 0.8, 0.7]
    assert row["config"] == "configs/a.yaml"
    assert (row["started"], row["seconds"], row["since"]) == (START.timestamp(), 0.0, None)
    json.dumps(row, allow_nan=False)


def test_what_the_config_monitors_comes_first(tmp_path):
    config = "metrics: [accuracy]\ntraining: {epochs: 4, checkpoints: {best: {monitor: validation/loss}}}\n"
    make_run(tmp_path / "a-1", config=config)
    assert rows(tmp_path)["a-1"]["main"]["name"] == "validation/loss"
    make_run(tmp_path / "b-1", config="training: {epochs: 4}\n")
    assert rows(tmp_path)["b-1"]["main"]["name"] == "validation/loss"


def test_a_running_run_has_a_beginning_and_a_dead_one_is_interrupted(tmp_path):
    living = ProcessState(pid=os.getpid(), host=socket.gethostname())
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    make_run(tmp_path / "a-1", status="running", ended=None, process=living)
    make_run(tmp_path / "b-1", status="running", ended=None, process=ProcessState(pid=done.pid, host=living.host))
    found = rows(tmp_path)
    assert (found["a-1"]["status"], found["a-1"]["since"]) == ("running", START.timestamp())
    assert (found["b-1"]["status"], found["b-1"]["since"]) == ("interrupted", None)


def test_a_sweeps_row_has_the_best_of_its_trials(tmp_path):
    make_sweep(tmp_path / "s-1", trials=3)
    found = rows(tmp_path)
    row, trial = found["s-1"], found["s-1/trials/trial1"]
    assert (row["kind"], row["status"], row["epoch"], row["epochs"]) == ("sweep", "interrupted", 2, 3)
    assert row["main"]["value"] == pytest.approx(0.7)
    assert row["best"] == trial["label"] == "learning_rate 0.01"
    assert trial["values"] == row["values"] == {"optimizer.learning_rate": 0.01}
    assert trial["group"] == row["id"]


def test_a_cross_validations_row_has_the_folds_mean(tmp_path):
    make_folds(tmp_path / "c-cv-1")
    row = rows(tmp_path)["c-cv-1"]
    assert (row["kind"], row["epoch"], row["epochs"], row["config"]) == ("folds", 1, 2, "configs/a.yaml")
    assert row["main"] == {"name": "mean accuracy", "value": 0.75, "spread": None}


@pytest.mark.parametrize(
    ("file", "content"),
    [("run.json", "{"), ("run.json", '{"status": "odd"}'), ("metrics.csv", "a,b\n"), ("run.json", None)],
)
def test_a_damaged_run_is_shown_as_such(tmp_path, file, content, monkeypatch):
    monkeypatch.setattr("dlrun.board.reading.BEGINNING", -1.0)
    make_run(tmp_path / "good-1")
    path = make_run(tmp_path / "bad-1") / file
    path.unlink() if content is None else path.write_text(content)
    found = rows(tmp_path)
    assert found["bad-1"]["status"] == "damaged"
    assert file in found["bad-1"]["problem"]
    assert found["good-1"]["status"] == "finished"


def test_damaged_sweeps_and_configs_are_borne(tmp_path):
    make_sweep(tmp_path / "s-1")
    (tmp_path / "s-1" / "sweep.json").write_text("[]")
    (tmp_path / "s-1" / "sweep.yaml").write_bytes(b"\xff: [")
    make_run(tmp_path / "a-1", config="- just\n- a list\n")
    found = rows(tmp_path)
    assert found["s-1"]["status"] == "damaged"
    assert found["s-1/trials/trial0"]["status"] == "finished"
    assert found["a-1"]["epochs"] is None


def test_a_run_that_is_being_made_isnt_damaged(tmp_path):
    (tmp_path / "a-1" / "checkpoints").mkdir(parents=True)
    assert rows(tmp_path) == {}


def test_only_news_are_sent(tmp_path):
    first = make_run(tmp_path / "a-1")
    make_run(tmp_path / "b-1")
    runs = RunList([tmp_path])
    whole = runs.changes()
    assert whole["whole"]
    assert len(whole["rows"]) == 2
    known = whole["session"], whole["version"]
    assert runs.changes(*known)["rows"] == []
    add_epoch(first, 0.9)
    news = runs.changes(*known)
    assert not news["whole"]
    assert [(row["name"], row["epoch"]) for row in news["rows"]] == [("a-1", 3)]
    (tmp_path / "b-1").rename(tmp_path.parent / "gone")
    news = runs.changes(known[0], news["version"])
    assert (news["rows"], news["removed"]) == ([], [f"{tmp_path.name}/b-1"])
    assert len(runs.changes("another", 99)["rows"]) == 1


def test_only_what_changed_is_read(tmp_path, monkeypatch):
    first = make_run(tmp_path / "a-1")
    make_run(tmp_path / "b-1")
    runs = RunList([tmp_path])
    runs.changes()
    read = []
    record = listing.read_facts.__globals__["read_record"]
    monkeypatch.setattr("dlrun.board.reading.read_record", lambda path: read.append(path) or record(path))
    runs.changes()
    assert read == []
    add_epoch(first, 0.9)
    runs.changes()
    assert read == [first / "run.json"]


def test_many_pages_cost_one_look(tmp_path, monkeypatch):
    monkeypatch.setattr(listing, "LEAST_PAUSE", 100.0)
    make_run(tmp_path / "a-1")
    runs = RunList([tmp_path])
    runs.changes()
    make_run(tmp_path / "b-1")
    assert len(runs.changes()["rows"]) == 1


def test_paths_of_overrides_lead_to_values():
    config = {"model": {"layers": [{"type": "dense", "units": 3}, {"name": "out", "units": 7}]}, "a": {"b": 1}}
    assert value_at(config, "a.b") == 1
    assert value_at(config, "model.layers[0].units") == 3
    assert value_at(config, "model.layers.out.units") == 7
    assert value_at(config, "model.layers[9].units") is None
    assert value_at(config, "a.b.c.d") is None
