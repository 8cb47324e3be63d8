import errno
import os
import resource
import signal
from contextlib import contextmanager

import pytest

from dlrun.errors import RunError
from dlrun.runs import files


@contextmanager
def small_files():
    """No file may grow beyond 4 kB: the nearest thing to a full disk that needs no rights.

    Not a fixture: pytest writes its own output, to a file perhaps, between a test's end and its fixtures'.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_replaces_a_file_as_a_whole(tmp_path):
    path = tmp_path / "a.txt"
    files.write_text(path, "old")
    files.write_text(path, "näw\n")
    assert path.read_bytes() == "näw\n".encode()
    assert os.listdir(tmp_path) == ["a.txt"]


def test_keeps_the_old_file_when_the_disk_is_full(tmp_path):
    path = tmp_path / "a.bin"
    files.write_bytes(path, b"old")
    with small_files(), pytest.raises(RunError, match=r"can't write .*a\.bin: File too large") as caught:
        files.write_bytes(path, bytes(10_000))
    assert "limit" in (caught.value.help or "")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_takes_a_partial_append_back(tmp_path):
    path = tmp_path / "a.log"
    files.append_bytes(path, b"x" * 4000)
    with small_files(), pytest.raises(RunError, match="can't write"):
        files.append_bytes(path, b"y" * 200)
    assert path.read_bytes() == b"x" * 4000


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_keeps_the_old_file_when_a_system_call_fails(tmp_path, monkeypatch, failing):
    path = tmp_path / "a.txt"
    files.write_text(path, "old")

    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, failing, fail)
    with pytest.raises(RunError, match="No space left on device") as caught:
        files.write_text(path, "new")
    assert "free some space" in (caught.value.help or "")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_keeps_the_old_file_when_interrupted(tmp_path):
    path = tmp_path / "a.txt"
    files.write_text(path, "old")

    def interrupted():
        with files.replacing(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_says_why_a_place_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="Not a directory") as caught:
        files.write_text(tmp_path / "file" / "a.txt", "x")
    assert "is a file" in (caught.value.help or "")
    with pytest.raises(RunError, match="No such file or directory"):
        files.append_bytes(tmp_path / "gone" / "a.txt", b"x")


def test_removes_what_a_killed_process_left(tmp_path):
    (tmp_path / ".a.txt.1-2.dlrun-tmp").write_text("half")
    (tmp_path / "a.txt").write_text("whole")
    files.remove_leftovers(tmp_path)
    assert os.listdir(tmp_path) == ["a.txt"]
