"""Trials on machines without the sweep's folder, in this process and without Ray."""

import shutil
import threading

import pytest

from dlrun.errors import RunError
from dlrun.runs.directory import RunDirectory
from dlrun.runs.environment import this_process
from dlrun.runs.record import read_record, update_record
from dlrun.sweep import ray_crew, remote
from dlrun.sweep.remote import Order, RemoteWorker, Site
from dlrun.sweep.run_files import Changes, leave, put_files
from dlrun.sweep.study import Claim
from dlrun.training import recording
from tests.sweep.sweeps import LINE, folder_of, study_of
from tests.training.runs import assert_same_runs


@pytest.fixture
def here(place, monkeypatch, tmp_path):
    """A finished sweep of two trials; remote workers' folders are beside it."""
    place.write(LINE, "line.yaml")
    place.call("sweep", "line.yaml", "optimizer.learning_rate=0.1,0.01", "--pruner", "median")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setattr(remote.tempfile, "tempdir", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("DLRUN_SECONDS_BETWEEN_FILES", "0")
    monkeypatch.setattr(remote, "SHARE_OF_FILES", 1e9)
    monkeypatch.setattr(recording, "SECONDS_BETWEEN_WRITES", 0.0)
    return folder_of(place)


def orders(folder):
    """The orders for the trials of a sweep, anew."""
    for trial in study_of(folder).trials():
        yield Order(Claim(trial.number, dict(trial.params), trial.user_attrs["key"]), {}, ["test"])


def served(worker, keys, trials):
    """Serve the orders that were sent; put files into runs below `trials`; return the messages' names."""
    names, current = [], iter(keys)
    for name, arguments in worker.serve():
        names.append(name)
        if name == "idle":
            key = next(current, None)
        elif name == "files":
            put_files(RunDirectory(trials / key), *arguments)
        elif name == "report":
            worker.answer(False)
    return names


def test_files_and_results_come_back(here, tmp_path):
    worker, given = RemoteWorker(here.name, here.definition.read_bytes(), str(tmp_path)), list(orders(here))
    for order in (*given, None):
        worker.send(order)
    names = served(worker, [order.claim.key for order in given], tmp_path / "back")
    assert names[:2] == ["ready", "idle"]
    assert names[-1] == "idle"
    assert names.count("finish") == 2
    assert names.count("report") == 6
    assert names.count("files") > 4  # after epochs too
    for order in given:
        run = RunDirectory(tmp_path / "back" / order.claim.key)
        assert_same_runs(run, here.run(order.claim.key))
        assert read_record(run.record).status == "finished"
        assert read_record(run.record).process == this_process()
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_trial_goes_on_from_the_files_it_is_sent(here, tmp_path):
    """Those of a run whose node died after its second epoch."""
    order = next(orders(here))
    back = RunDirectory(tmp_path / "back" / order.claim.key)
    stopped = threading.Event()
    worker = RemoteWorker(here.name, here.definition.read_bytes(), str(tmp_path))
    worker.send(order)
    for name, arguments in worker.serve():
        if name == "files":
            put_files(back, *arguments)
        if name == "report" and arguments[0] == 3:
            stopped.set()
            break
        if name == "report":
            worker.answer(False)
    assert stopped.is_set()
    worker.answer(False)  # the thread of the worker that was left alone ends
    leave(back)
    assert read_record(back.record).status == "interrupted"
    assert back.last.exists()
    again = RemoteWorker(here.name, here.definition.read_bytes(), str(tmp_path))
    again.send(Order(order.claim, Changes(back).collect(), order.command))
    again.send(None)
    served(again, [order.claim.key], tmp_path / "back")
    assert len(read_record(back.record).resumed) == 1
    assert_same_runs(back, here.run(order.claim.key))


def test_changes_are_what_is_new_other_or_gone(here, tmp_path):
    run = RunDirectory(tmp_path / "run")
    shutil.copytree(next(here.trials.iterdir()), run.path)
    changes, copy = Changes(run), RunDirectory(tmp_path / "copy")
    put_files(copy, changes.collect())
    assert changes.collect() == {}
    run.log.write_text("other\n")
    run.plan.unlink()
    (run.path / "new").write_bytes(b"new")
    (run.path / ".run.json.1-2.dlrun-tmp").write_bytes(b"half")
    found = changes.collect()
    assert found == {"train.log": b"other\n", "plan.txt": None, "new": b"new"}
    put_files(copy, found)
    assert {path.name for path in copy.path.iterdir()} == {path.name for path in run.path.iterdir()} - {
        ".run.json.1-2.dlrun-tmp"
    }


def test_the_record_names_who_keeps_the_run(here, tmp_path):
    run = here.run(next(here.trials.iterdir()).name)
    elsewhere = this_process().model_copy(update={"host": "elsewhere"})
    update_record(run.record, status="running", process=elsewhere)
    copy = RunDirectory(tmp_path / "copy")
    put_files(copy, Changes(run).collect())
    assert read_record(copy.record).process == this_process()


def test_nodes_with_another_dlrun_are_refused(monkeypatch):
    crew = type("Crew", (), {"heard": lambda self: None})()
    actor = ray_crew.Actor(crew, None)
    with pytest.raises(RunError, match=r"the Ray node far has dlrun 0\.0\.1, this machine has"):
        actor.take(("ready", (Site("far", 1, {"dlrun": "0.0.1"}), "id")), None)


def test_variables_for_actors(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DLRUN_DATASETS", "data:/more")
    monkeypatch.setenv("DLRUN_CORES", "7")
    found = ray_crew.environment(3)
    assert found["DLRUN_DATASETS"] == f"{tmp_path}/data:/more"
    assert found["DLRUN_CORES"] == "3"
    assert all(name.startswith("DLRUN_") for name in found)
