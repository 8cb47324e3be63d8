import errno
import multiprocessing
from pathlib import Path

import pytest

from dlrun.errors import RunError, UsageError
from dlrun.runs.directory import RunDirectory, find_run, list_directories
from dlrun.runs.record import RunRecord, write_record


def recorded(runs, name, started):
    run = RunDirectory.create(name, runs)
    write_record(run.record, RunRecord(name=run.name, started=started))
    return run


def test_numbers_runs_and_never_reuses_a_directory(tmp_path):
    runs = tmp_path / "runs"
    assert [RunDirectory.create("a", runs).name for _ in range(3)] == ["a-1", "a-2", "a-3"]
    assert RunDirectory.create("a-b", runs).name == "a-b-1"
    (runs / "a-2" / "checkpoints").rmdir()
    (runs / "a-2").rmdir()
    (runs / "a-10").mkdir()
    (runs / "a-07").mkdir()
    (runs / "a-12-old").mkdir()
    assert RunDirectory.create("a", runs).name == "a-11"
    assert (runs / "a-1" / "checkpoints").is_dir()


def _create_many(arguments):
    runs, count = arguments
    return [RunDirectory.create("a", Path(runs)).name for _ in range(count)]


def test_concurrent_starts_get_their_own(tmp_path):
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        names = [name for some in pool.map(_create_many, [(str(tmp_path), 25)] * 4) for name in some]
    assert sorted(names) == sorted(f"a-{number}" for number in range(1, 101))


def test_a_lost_race_takes_the_next_number(tmp_path, monkeypatch):
    make = Path.mkdir

    def slow_mkdir(self, *arguments, **options):
        if self.name == "a-1" and not self.exists():
            make(self)  # another command was faster
        make(self, *arguments, **options)

    monkeypatch.setattr(Path, "mkdir", slow_mkdir)
    assert RunDirectory.create("a", tmp_path).name == "a-2"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "a\nb", "a:b"])
def test_refuses_names_that_are_no_part_of_a_path(tmp_path, name):
    with pytest.raises(RunError, match="can't be named"):
        RunDirectory.create(name, tmp_path)


def test_says_why_no_directory_can_be_made(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="can't write"):
        RunDirectory.create("a", tmp_path / "file")

    def full(self, *_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(RunError, match="No space left on device"):
        RunDirectory.create("a", tmp_path)


def test_finds_by_directory_name_and_latest(tmp_path, monkeypatch):
    runs = tmp_path / "runs"
    newest = recorded(runs, "a", "2025-03-02T00:00:00Z")
    recorded(runs, "b", "2025-03-01T00:00:00Z")
    assert find_run("latest", runs).path == newest.path
    assert find_run("b-1", runs).path == runs / "b-1"
    assert find_run(str(runs / "b-1"), runs).name == "b-1"
    assert find_run(f"{runs / 'b-1'}/", tmp_path / "elsewhere").name == "b-1"
    monkeypatch.chdir(runs / "b-1")
    assert find_run(".", runs).name == "b-1"


def test_starts_in_the_same_instant_are_ordered_by_number(tmp_path):
    names = [recorded(tmp_path, "a", "2025-03-01T00:00:00Z").name for _ in range(11)]
    assert [run.name for run in list_directories(tmp_path)] == names


def test_a_damaged_record_hides_no_run(tmp_path):
    run = RunDirectory.create("a", tmp_path)
    run.record.write_text("{")
    assert find_run("a-1", tmp_path) == run
    assert find_run("latest", tmp_path) == run


def test_unknown_runs_name_the_nearest(tmp_path):
    for name in ("mnist_cnn", "mnist_cnn", "iris"):
        recorded(tmp_path, name, "2025-03-01T00:00:00Z")
    with pytest.raises(UsageError, match="there is no run 'mnist_cn-1'") as caught:
        find_run("mnist_cn-1", tmp_path)
    assert "'mnist_cnn-1'" in (caught.value.help or "")
    with pytest.raises(UsageError) as caught:
        find_run("mnist_cnn", tmp_path)
    assert (caught.value.help or "").startswith("did you mean 'mnist_cnn-2' or 'mnist_cnn-1'?")
    with pytest.raises(UsageError) as caught:
        find_run("zzz", tmp_path)
    assert "dlrun runs" in (caught.value.help or "")


def test_no_runs_and_no_run_directories(tmp_path):
    for wanted in ("latest", "a-1"):
        with pytest.raises(UsageError) as caught:
            find_run(wanted, tmp_path / "none")
        assert "dlrun train CONFIG" in (caught.value.help or "")
    with pytest.raises(UsageError, match=r"is no run: it has no run\.json"):
        find_run(str(tmp_path), tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is no directory"):
        find_run(str(tmp_path / "file"), tmp_path)
