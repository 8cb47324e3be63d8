"""Kills, Ctrl-C and several commands at once, against the real command."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from dlrun.runs.record import read_record
from dlrun.sweep.study import ERROR
from tests.cli.commands import Workplace, wait_until
from tests.sweep.sweeps import GRID, SLOW, folder_of, states, study_of
from tests.training.runs import assert_same_runs

COMMAND = ("sweep", "slow.yaml", *GRID)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    place = Workplace(tmp_path_factory.mktemp("undisturbed"))
    place.write(SLOW, "slow.yaml")
    place.call(*COMMAND)
    return folder_of(place, "slow-1")


def assert_same_sweeps(one, other):
    """Eight trials each, all finished, with the same bits and values."""
    assert [trial.user_attrs[ERROR] for trial in study_of(one).trials() if ERROR in trial.user_attrs] == []
    assert states(one) == states(other) == {"COMPLETE": 8}
    names = {run.name for run in one.trials.iterdir()}
    assert names == {run.name for run in other.trials.iterdir()}
    assert len(names) == 8
    for name in names:
        assert_same_runs(one.run(name), other.run(name))
    values = [{trial.user_attrs["key"]: trial.value for trial in study_of(each).trials()} for each in (one, other)]
    assert values[0] == values[1]


def began(process):
    """Wait until a sweep has its folder: the first line."""
    assert process.stdout.readline().startswith("sweeps/"), process.stderr.read()


@pytest.mark.parametrize(("jobs", "kills"), [(1, 5), (2, 3)])
def test_kills_at_any_moment_change_nothing(place, undisturbed, jobs, kills):
    """SIGKILL of the command at random moments; its workers, if it has any, are left to themselves."""
    place.write(SLOW, "slow.yaml")
    generator, options = random.Random(jobs), ("--jobs", str(jobs))
    for _ in range(kills):
        process = place.start(*COMMAND, *options)
        began(process)
        time.sleep(generator.uniform(0, 1))
        process.kill()
        process.communicate()
    assert "8 finished, of a budget of 8" in place.call(*COMMAND).stdout
    assert_same_sweeps(folder_of(place, "slow-1"), undisturbed)


def test_a_worker_whose_command_is_gone_leaves_its_trial_to_others(place, undisturbed):
    """Nobody reads what it tells, and its standard input hasn't ended yet."""
    place.write(SLOW, "slow.yaml")
    process, folder = place.start(*COMMAND), folder_of(place, "slow-1")
    wait_until(lambda: running(folder))
    process.kill()
    process.communicate()
    done = states(folder).get("COMPLETE", 0)
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "dlrun.sweep.worker", str(folder.path), "8"]
    options = {"stdout": writing, "cwd": place.folder, "env": place.environment()}
    with subprocess.Popen(command, stdin=subprocess.PIPE, **options) as worker:
        os.close(writing)
        assert worker.wait(timeout=60) == 130
    assert set(states(folder)) <= {"COMPLETE", "RUNNING", "WAITING"}
    assert states(folder).get("COMPLETE", 0) == done < 8
    place.call("sweep", "resume", "slow-1")
    assert_same_sweeps(folder, undisturbed)


def test_two_commands_at_once_share_the_trials(place, undisturbed):
    place.write(SLOW, "slow.yaml")
    processes = [place.start(*COMMAND) for _ in range(2)]
    for process in processes:
        out, err = process.communicate(timeout=100)
        assert process.returncode == 0, (out, err)
        assert "8 finished, of a budget of 8" in out
    folder = folder_of(place, "slow-1")
    assert not folder_of(place, "slow-2").path.exists()
    assert_same_sweeps(folder, undisturbed)
    records = [read_record(run / "run.json") for run in folder.trials.iterdir()]
    assert all(record.resumed == () for record in records)
    assert {record.process.pid for record in records} <= {process.pid for process in processes}


def test_a_command_that_sleeps_keeps_its_trial(place, undisturbed):
    """Stopped (SIGSTOP) in the middle of a trial, while another command does the rest and waits for it."""
    place.write(SLOW, "slow.yaml")
    one, folder = place.start(*COMMAND), folder_of(place, "slow-1")
    wait_until(lambda: running(folder))
    one.send_signal(signal.SIGSTOP)
    two = place.start(*COMMAND)
    wait_until(lambda: states(folder).get("COMPLETE", 0) >= 7)
    with pytest.raises(subprocess.TimeoutExpired):
        two.wait(timeout=0.5)
    assert states(folder) == {"COMPLETE": 7, "RUNNING": 1}
    one.send_signal(signal.SIGCONT)
    for process in (one, two):
        out, err = process.communicate(timeout=100)
        assert process.returncode == 0, (out, err)
        assert "8 finished, of a budget of 8" in out
    assert "other processes work on all that is left" in out
    assert_same_sweeps(folder, undisturbed)
    records = [read_record(run / "run.json") for run in folder.trials.iterdir()]
    assert {record.process.pid for record in records} == {one.pid, two.pid}


def running(folder):
    """The processes that train a trial just now."""
    runs = [folder.run(path.name) for path in folder.trials.iterdir()] if folder.trials.exists() else []
    records = [read_record(run.record) for run in runs if run.record.exists()]
    return [record.process.pid for record in records if record.observed_status() == "running"]


def test_a_worker_that_is_killed_is_replaced(place, undisturbed):
    place.write(SLOW, "slow.yaml")
    process, folder = place.start(*COMMAND, "--jobs", "2"), folder_of(place, "slow-1")
    wait_until(lambda: running(folder))
    os.kill(running(folder)[0], signal.SIGKILL)
    out, err = process.communicate(timeout=100)
    assert process.returncode == 0, (out, err)
    assert "its process died (killed by SIGKILL); it is taken up again" in out
    assert_same_sweeps(folder, undisturbed)


@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_names_the_command_that_goes_on(place, undisturbed, jobs):
    place.write(SLOW, "slow.yaml")
    process, folder = place.start(*COMMAND, "--jobs", str(jobs)), folder_of(place, "slow-1")
    wait_until(lambda: running(folder))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, (out, err)
    assert "of 8 trials are done" in err
    more = f" --jobs {jobs}" if jobs > 1 else ""
    assert f"help: dlrun sweep resume sweeps/slow-1{more}\n" in err
    assert not running(folder)
    assert states(folder).get("RUNNING", 0) <= jobs
    place.call("sweep", "resume", "slow-1")
    assert_same_sweeps(folder, undisturbed)
