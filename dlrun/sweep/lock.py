"""A lock between processes that a killed one lets go of: the system's own, on a file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dlrun.runs.files import writing


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock on a file, which is made where it is missing, during the block. Raises: RunError."""
    lock = FileLock(path)
    lock.acquire()
    try:
        yield
    finally:
        lock.release()


class FileLock:
    """A lock with the interface that Optuna's journal wants.

    Optuna's own locks are files that a killed process leaves behind: others then wait half a minute. `mends` is a file
    of lines whose last one is removed if it has no end, because the process that wrote it was killed.
    """

    def __init__(self, path: Path, mends: Path | None = None) -> None:
        self.path, self.mends = path, mends
        self._descriptor = -1

    def acquire(self) -> bool:
        """Wait for the lock. Raises: RunError where the file can't be written."""
        with writing(self.path):
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        _lock(descriptor)
        self._descriptor = descriptor
        if self.mends is not None:
            mend_lines(self.mends)
        return True

    def release(self) -> None:
        """Let go of the lock."""
        descriptor, self._descriptor = self._descriptor, -1
        _unlock(descriptor)
        os.close(descriptor)


def mend_lines(path: Path) -> None:
    """Cut a file after its last whole line."""
    if not path.exists():
        return
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        if size == 0:
            return
        file.seek(size - 1)
        if file.read(1) != b"\n":
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)


if os.name == "nt":
    import msvcrt

    def _lock(descriptor: int) -> None:
        while True:
            try:
                return msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined, no-any-return]
            except OSError:  # it gives up after ten seconds
                continue

    def _unlock(descriptor: int) -> None:
        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)  # type: ignore[attr-defined]
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)

    def _unlock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
