"""Locks, and what a kill leaves in a journal."""

import os
import signal
import subprocess
import sys
import time

import pytest

from dlrun.sweep.lock import FileLock, locked, mend_lines
from tests.sweep.sweeps import LINE, folder_of, states

HOLDER = """
import sys, time
from pathlib import Path
from dlrun.sweep.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(os.name == "nt", reason="kills with SIGKILL")
def test_a_killed_process_lets_go_of_its_lock(tmp_path):
    lock = tmp_path / "lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(lock)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    began = time.monotonic()
    holder.send_signal(signal.SIGKILL)
    with locked(lock):
        assert time.monotonic() - began < 5
    holder.communicate()


@pytest.mark.parametrize(
    ("content", "left"), [(b"", b""), (b"a\n", b"a\n"), (b"a\nbc", b"a\n"), (b"bc", b""), (b"a\n\n", b"a\n\n")]
)
def test_a_line_without_its_end_goes(tmp_path, content, left):
    path = tmp_path / "journal.log"
    path.write_bytes(content)
    mend_lines(path)
    assert path.read_bytes() == left


def test_a_journal_that_a_kill_cut_goes_on(place):
    place.write(LINE, "line.yaml")
    place.call("sweep", "line.yaml", "training.epochs=1,2,3")
    folder = folder_of(place)
    whole = folder.journal.read_bytes()
    told = whole.index(b'"op_code":6')  # the first trial's end
    folder.journal.write_bytes(whole[: told + 5])
    place.call("sweep", "line.yaml", "training.epochs=1,2,3")
    assert states(folder) == {"COMPLETE": 3}
    lock = FileLock(folder.lock("journal"), mends=folder.journal)
    assert lock.acquire()
    lock.release()
