"""Sweeps on a cluster of two nodes on this machine, one of which is killed in the middle."""

import os
import re
import signal
import warnings
from contextlib import suppress

import pytest

from dlrun.runs.record import read_record
from tests.cli.commands import Workplace, wait_until
from tests.sweep.sweeps import LINE, SLOW, folder_of, states, study_of
from tests.training.runs import assert_same_runs

pytest.importorskip("ray", reason="needs Ray (the extra ray)")

EPOCHS = 60
COMMAND = ("sweep", "slow.yaml", "optimizer.learning_rate=1e-4,1e-3", f"training.epochs={EPOCHS}")
"""Two trials of some seconds."""
NODE = {"num_cpus": 1, "object_store_memory": 80 << 20, "include_dashboard": False}
BUSY = 150.0
"""Seconds after which a busy machine, too, would have done it."""
OFTEN = {"DLRUN_SECONDS_BETWEEN_FILES": "0.1"}


@pytest.fixture(scope="module")
def cluster():
    """A cluster of one node with one CPU; whatever happens, none of its processes is left."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        from ray.cluster_utils import Cluster

        cluster = Cluster(initialize_head=False)
        try:
            cluster.add_node(**NODE)
            yield cluster
        finally:
            with suppress(Exception):
                cluster.shutdown()
            for node in cluster.list_all_nodes():
                node.kill_all_processes(check_alive=False, allow_graceful=False)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    place = Workplace(tmp_path_factory.mktemp("undisturbed"))
    place.write(SLOW, "slow.yaml")
    place.call(*COMMAND, "--jobs", "2")
    return folder_of(place, "slow-1")


def assert_same_sweeps(one, other):
    """All trials finished once, with the same bits and values."""
    assert states(one) == states(other) == {"COMPLETE": 2}
    names = {run.name for run in one.trials.iterdir()}
    assert names == {run.name for run in other.trials.iterdir()}
    assert len(names) == 2
    for name in names:
        assert_same_runs(one.run(name), other.run(name))
        assert read_record(one.run(name).record).status == "finished"
    values = [{trial.user_attrs["key"]: trial.value for trial in study_of(each).trials()} for each in (one, other)]
    assert values[0] == values[1]


def with_checkpoints(folder):
    """The runs that have a checkpoint already, and are being trained."""
    runs = [folder.run(path.name) for path in folder.trials.iterdir()] if folder.trials.exists() else []
    return [run for run in runs if run.record.exists() and run.last.exists()]


@pytest.mark.slow
def test_a_node_that_is_killed_loses_nothing(place, cluster, undisturbed):
    place.write(SLOW, "slow.yaml")
    second = cluster.add_node(**NODE)
    process = place.start(*COMMAND, "--ray", cluster.address, environment=OFTEN)
    folder = folder_of(place, "slow-1")
    try:
        wait_until(lambda: process.poll() is not None or len(with_checkpoints(folder)) == 2, BUSY)
        cluster.remove_node(second, allow_graceful=False)
        out, err = process.communicate(timeout=BUSY)
    finally:
        process.kill()
        if second in cluster.list_all_nodes():
            cluster.remove_node(second, allow_graceful=False)
    assert process.returncode == 0, "\n".join((out, err))
    assert re.search(r"its process died \(the Ray node .* (was lost|can't be reached any more)\)", out), out
    assert "2 finished, of a budget of 2" in out
    assert "raylet" not in (out + err).lower()
    assert_same_sweeps(folder, undisturbed)
    records = [read_record(folder.run(path.name).record) for path in folder.trials.iterdir()]
    assert sorted(len(record.resumed) for record in records) == [0, 1]


@pytest.mark.slow
def test_ctrl_c_and_going_on_here_and_there(place, cluster, undisturbed):
    """Begun on the cluster, gone on with here, ended there."""
    place.write(SLOW, "slow.yaml")
    folder, ray = folder_of(place, "slow-1"), ("--ray", cluster.address)
    for command in ((*COMMAND, *ray), ("sweep", "resume", "slow-1")):
        process = place.start(*command, environment=OFTEN)
        try:
            while not process.stdout.readline().startswith("trial"):
                assert process.poll() is None, process.stderr.read()
            wait_until(lambda: with_checkpoints(folder), BUSY)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=BUSY)
        finally:
            process.kill()
        assert process.returncode == 130, "\n".join((out, err))
        again = f" --ray {cluster.address} --cpus-per-trial 1" if "--ray" in command else ""
        assert f"help: dlrun sweep resume sweeps/slow-1{again}\n" in err
        assert {read_record(run.record).status for run in with_checkpoints(folder)} <= {"finished", "stopped"}
        assert states(folder)["RUNNING"] == 1
    assert "2 finished, of a budget of 2" in place.run("sweep", "resume", "slow-1", *ray).stdout
    assert_same_sweeps(folder, undisturbed)
    wait_until(lambda: not actors())


@pytest.mark.slow
def test_pruners_hear_of_epochs_while_trials_train(place, cluster):
    """One after the other, so that the same trials are pruned as here."""
    place.write(LINE, "line.yaml")
    command = ("sweep", "line.yaml", "optimizer.learning_rate=0.1,0.05,0.08,0.09,0.11,1e-5,2e-5,0.12", "--new")
    options = ("training.epochs=6", "--pruner", "median")
    place.call(*command, *options)
    out = place.run(*command, *options, "--ray", cluster.address).stdout
    assert "pruned" in out
    here, there = (study_of(folder_of(place, name)).trials() for name in ("line-1", "line-2"))
    for one, other in zip(here, there, strict=True):
        assert (one.state, one.value, one.intermediate_values) == (other.state, other.value, other.intermediate_values)


@pytest.mark.slow
def test_a_cluster_without_room_says_so(place, cluster):
    place.write(LINE, "line.yaml")
    arguments = ("sweep", "line.yaml", "training.epochs=1,2", "--ray", cluster.address, "--cpus-per-trial", "3")
    err = place.run(*arguments, expect=1).stderr
    assert "no node of the Ray cluster has 3 CPUs: the largest has 1" in err


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--ray", "127.0.0.1:1"), 1, "no Ray cluster answers at 127.0.0.1:1"),
        (("--ray", "ray://here:10001"), 2, "Ray Client isn't supported"),
        (("--ray", "here"), 2, "no address of a Ray cluster"),
        (
            ("--ray", "auto", "--cpus-per-trial", "1", "training.threads=1,2"),
            2,
            "less than training.threads, which is 2",
        ),
        (("--cpus-per-trial", "2"), 2, "--cpus-per-trial is for --ray"),
    ],
)
def test_options_that_lead_nowhere(place, options, code, message):
    place.write(LINE, "line.yaml")
    assert message in place.call("sweep", "line.yaml", "training.epochs=1,2", *options, expect=code).stderr


def actors():
    """The processes on this machine that are actors of a sweep."""
    found = []
    for number in filter(str.isdecimal, os.listdir("/proc")):
        with suppress(OSError), open(f"/proc/{number}/cmdline", "rb") as file:
            found += [number] if file.read().startswith(b"ray::RayWorker") else []
    return found
