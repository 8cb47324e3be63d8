"""Runs that MLflow follows: a database, a server, and servers that go down."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from dlrun.config.load import load_text
from dlrun.errors import ConfigError, MissingExtra, NonFiniteError, TrackingError
from dlrun.runs.metrics_csv import read_metrics
from dlrun.runs.record import read_record
from dlrun.training import tracking
from dlrun.training.run import reach_tracker
from dlrun.training.tracking import parameters_of
from tests.support.mlflow_server import FakeServer
from tests.training.runs import LINE, MIXED, Heard, go_on, start, start_and_interrupt

NAME = "a" * 300


@pytest.fixture(autouse=True)
def mlflow(monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return pytest.importorskip("mlflow", reason="needs mlflow-skinny (the extra mlflow)")


@pytest.fixture
def server():
    with FakeServer() as server:
        yield server


def tracked(server, **more):
    return f"tracking={json.dumps({'type': 'mlflow', 'uri': server.uri, 'artifacts': False, **more})}"


def only_run(server):
    (run,) = server.runs.values()
    return run


def test_parameters_tags_metrics_and_status_are_sent(server, tmp_path):
    finished = start(tmp_path, MIXED, tracked(server, tags={"team": "vision"}))
    run, rows = only_run(server), read_metrics(finished.run.metrics).rows
    assert server.experiments == {"mixed": "1"}
    assert (run["name"], run["status"]) == ("mixed-1", "FINISHED")
    assert run["params"]["model.layers.5.units"] == "20"
    assert run["params"]["optimizer.learning_rate"] == "0.01"
    assert not any(name.startswith("tracking") for name in run["params"])
    assert run["tags"]["dlrun.version"] == "0.1.0"
    assert run["tags"]["dlrun.run"] == str(finished.run.path)
    assert run["tags"]["team"] == "vision"
    assert len(run["tags"]["dlrun.data_fingerprint"]) == 64
    for name in ("train/loss", "validation/accuracy", "learning_rate", "seconds"):
        assert run["metrics"][name] == {row["step"]: row[name] for row in rows}


def test_an_experiment_is_named_and_shared(server, tmp_path):
    for _ in range(2):
        start(tmp_path, LINE, tracked(server, experiment="lines"))
    assert server.experiments == {"lines": "1"}
    assert [run["name"] for run in server.runs.values()] == ["line-1", "line-2"]


def test_training_is_the_same_with_and_without(server, tmp_path):
    plain, followed = start(tmp_path, MIXED), start(tmp_path, MIXED, tracked(server))
    assert plain.state.best_row["validation/loss"] == followed.state.best_row["validation/loss"]


def test_an_interrupted_run_is_killed_and_goes_on_as_the_same(server, tmp_path, monkeypatch):
    run = start_and_interrupt(monkeypatch, tmp_path, MIXED, 12, tracked(server))
    assert only_run(server)["status"] == "KILLED"
    go_on(run, "training.epochs=4")
    found, rows = only_run(server), read_metrics(run.metrics).rows
    assert found["status"] == "FINISHED"
    assert list(found["metrics"]["train/loss"]) == [10, 20, 30, 40]
    assert found["metrics"]["train/loss"] == {row["step"]: row["train/loss"] for row in rows}
    assert found["params"]["training.epochs"] == "3"  # MLflow's parameters stay as they were
    assert found["tags"]["dlrun.resumed.training.epochs"] == "4"


def test_a_run_that_mlflow_has_lost_goes_on_as_a_new_one_with_all_epochs(server, tmp_path):
    run = start(tmp_path, LINE, tracked(server)).run
    server.runs.clear()
    heard = Heard()
    go_on(run, "training.epochs=5", listener=heard)
    assert list(only_run(server)["metrics"]["train/loss"]) == [10, 20, 30, 40, 50]
    assert any("has no run run0 any more" in note for note in heard.notes)


def test_a_run_may_be_followed_from_later_on(server, tmp_path):
    run = start(tmp_path, LINE).run
    go_on(run, "training.epochs=4", tracked(server))
    assert list(only_run(server)["metrics"]["train/loss"]) == [10, 20, 30, 40]


def test_a_failed_run_is_failed(server, tmp_path):
    with pytest.raises(NonFiniteError):
        start(tmp_path, LINE, tracked(server), "optimizer.learning_rate=1e30")
    assert only_run(server)["status"] == "FAILED"


def test_a_time_limit_is_no_failure(server, tmp_path):
    start(tmp_path, LINE, tracked(server), "training.max_time=1e-9")
    assert only_run(server)["status"] == "FINISHED"


def test_a_server_that_is_down_at_the_start_is_an_error(tmp_path):
    with FakeServer() as server:
        pass
    with pytest.raises(TrackingError, match=f"^MLflow at {server.uri} fails: connection refused$") as caught:
        start(tmp_path, LINE, tracked(server))
    assert "tracking=null" in caught.value.help
    assert not (tmp_path / "line-1" / "metrics.csv").exists()
    with pytest.raises(TrackingError):
        reach_tracker(load_text(LINE, "test.yaml", [tracked(server)]))


def test_a_server_that_is_down_leaves_a_finished_run_as_it_is(server, tmp_path):
    run = start(tmp_path, LINE, tracked(server)).run
    server.down()
    with pytest.raises(TrackingError):
        go_on(run, "training.epochs=4")
    assert read_record(run.record).status == "finished"
    go_on(run, "training.epochs=4", "tracking=null")
    assert read_record(run.record).epochs == 4


class Goes(Heard):
    """Lets the server go down after an epoch, and perhaps come back after another."""

    def __init__(self, server, down, up):
        super().__init__()
        self.server, self.down, self.up = server, down, up

    def epoch(self, result):
        super().epoch(result)
        if result.row["epoch"] == self.down:
            self.server.down()
        if result.row["epoch"] == self.up:
            self.server.up()


@pytest.fixture
def eager(monkeypatch):
    monkeypatch.setattr(tracking, "SECONDS_BETWEEN_SENDINGS", 0.0)
    monkeypatch.setattr(tracking, "SECONDS_OF_PATIENCE", 0.0)


def test_a_server_that_goes_down_midway_and_comes_back_has_everything(server, tmp_path, eager):
    heard = Goes(server, 2, 4)
    finished = start(tmp_path, LINE, tracked(server), "training.epochs=6", listener=heard)
    rows = read_metrics(finished.run.metrics).rows
    assert only_run(server)["metrics"]["train/loss"] == {row["step"]: row["train/loss"] for row in rows}
    assert only_run(server)["status"] == "FINISHED"
    told = [note for note in heard.notes if "MLflow" in note or "tracker" in note]
    assert ["the training goes on" in told[0], "answers again" in told[1]] == [True, True]
    assert len(told) == 2


def test_a_server_that_stays_down_costs_a_warning_and_resuming_sends_the_rest(server, tmp_path, eager):
    heard = Goes(server, 2, None)
    finished = start(tmp_path, LINE, tracked(server), "training.epochs=6", listener=heard)
    assert finished.ending.reason == "finished"
    assert list(only_run(server)["metrics"]["train/loss"]) == [10, 20]
    assert "4 epochs aren't there" in heard.notes[-1]
    server.up()
    go_on(finished.run, "training.epochs=7")
    assert list(only_run(server)["metrics"]["train/loss"]) == [10, 20, 30, 40, 50, 60, 70]


def test_a_server_that_refuses_costs_a_warning(server, tmp_path):
    server.refuses_metrics = True
    heard = Heard()
    start(tmp_path, LINE, tracked(server), listener=heard)
    assert "the disk is full" in heard.notes[-1]


def test_a_server_that_fails_is_left_alone_for_a_while(server, tmp_path, monkeypatch):
    monkeypatch.setattr(tracking, "SECONDS_BETWEEN_SENDINGS", 0.0)
    server.refuses_metrics, calls = True, []
    original = server.answer
    server.answer = lambda path, body: calls.append("metrics" in body) or original(path, body)
    start(tmp_path, LINE, tracked(server), "training.epochs=20")
    assert sum(calls) == 2  # the first epoch's, and all at the end


def test_a_password_stays_out_of_configs():
    for uri in ("http://me:secret@host", "postgresql://me:secret@host/mlflow"):
        with pytest.raises(ConfigError, match="a config is no place for a password"):
            load_text(LINE, "test.yaml", [f"tracking={{type: mlflow, uri: '{uri}'}}"])


def test_a_folder_that_mlflow_does_not_take_names_the_way_out(tmp_path, monkeypatch):
    def refuse(self):
        raise ValueError("The filesystem backend is in maintenance mode. Set `MLFLOW_ALLOW_FILE_STORE=true` to ...")

    monkeypatch.setattr("dlrun.tracking.mlflow.Mlflow.client", refuse)
    with pytest.raises(TrackingError, match=r"mlruns fails: The filesystem backend is in maintenance mode$") as caught:
        reach_tracker(load_text(LINE, "test.yaml", ["tracking={type: mlflow, uri: mlruns}"]))
    assert "sqlite:///mlflow.db" in caught.value.help


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow.tracking", None)
    with pytest.raises(MissingExtra, match="'mlflow', which is not installed") as caught:
        reach_tracker(load_text(LINE, "test.yaml", ["tracking=mlflow"]))
    assert caught.value.help == "pip install 'dlrun[mlflow]'"


def test_parameters_are_the_leaves_of_the_config():
    overrides = [
        "model.layers=[{type: dense, units: 3}, relu, {type: dense, units: 1}]",
        "schedule={type: step, milestones: [1, 2]}",
    ]
    found = parameters_of(load_text(LINE, "test.yaml", overrides).config)
    assert found["model.layers.0.units"] == "3"
    assert (
        found["model.layers.1.type"] == "relu" if "model.layers.1.type" in found else found["model.layers.1"] == "relu"
    )
    assert found["schedule.milestones"] == "[1.0, 2.0]"
    assert "name" not in found


def test_long_names_and_values_are_cut_to_what_mlflow_takes(server, tmp_path):
    start(tmp_path, LINE, tracked(server), f"model.layers[0].name={NAME}", "metrics=[mae]")
    run = only_run(server)
    assert max(map(len, run["params"].values())) <= 500
    assert max(map(len, run["params"])) <= 250


def test_a_database_with_files(tmp_path):
    """In a process of its own: SQLAlchemy keeps its connections open to the end."""
    pytest.importorskip("sqlalchemy", reason="needs sqlalchemy (the extra mlflow)")
    (tmp_path / "line.yaml").write_text(LINE)
    environment = {**os.environ, "PYTHONPATH": os.getcwd(), "DLRUN_RUNS": str(tmp_path / "runs")}
    command = [
        sys.executable,
        "-m",
        "dlrun",
        "train",
        "line.yaml",
        "tracking={type: mlflow, uri: 'sqlite:///mlflow.db'}",
    ]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "MLflow" not in done.stdout
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        assert database.execute("SELECT status, name FROM runs").fetchall() == [("FINISHED", "line-1")]
        steps = database.execute("SELECT step FROM metrics WHERE key = 'train/loss' ORDER BY step").fetchall()
    assert steps == [(10,), (20,), (30,)]
    files = {path.name for path in (tmp_path / "mlruns").rglob("artifacts/**/*")}
    assert {"config.yaml", "config.resolved.yaml", "plan.txt", "metrics.csv", "best.safetensors"} <= files


def test_trials_of_a_sweep_are_runs_with_its_name(server, tmp_path):
    pytest.importorskip("optuna", reason="needs optuna (the extra sweep)")
    (tmp_path / "line.yaml").write_text(LINE)
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    command = [sys.executable, "-m", "dlrun", "sweep", "line.yaml", "optimizer.learning_rate=0.1,0.01", tracked(server)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {run["tags"]["dlrun.sweep"] for run in server.runs.values()} == {"line-1"}
    assert sorted(run["params"]["optimizer.learning_rate"] for run in server.runs.values()) == ["0.01", "0.1"]
    assert all(run["name"].startswith("line-1/") for run in server.runs.values())
    assert {run["status"] for run in server.runs.values()} == {"FINISHED"}
