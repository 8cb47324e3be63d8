"""Files that are either whole and old or whole and new, whatever happens while they are written."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dlrun.errors import RunError

TEMPORARY_SUFFIX = ".dlrun-tmp"

_WAYS_OUT = {
    errno.ENOSPC: "the disk is full: free some space and run the command again",
    errno.EDQUOT: "your disk quota is used up: free some space and run the command again",
    errno.EFBIG: "the file is larger than the system's limit allows: raise the limit (ulimit -f)",
    errno.EROFS: "the file system is read-only: choose another place for the run",
    errno.EACCES: "you may not write there: change the permissions or choose another place",
    errno.EPERM: "you may not write there: change the permissions or choose another place",
    errno.ENOTDIR: "a part of that path is a file, not a directory",
    errno.EISDIR: "there is a directory of that name",
}


def write_error(path: Path, error: OSError) -> RunError:
    """The user's error for a failed write: the place, the cause, the way out."""
    cause = error.strerror or str(error) or type(error).__name__
    return RunError(f"can't write {path}: {cause}", _WAYS_OUT.get(error.errno or 0))


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns every OSError of the block into a RunError about `path`."""
    try:
        yield
    except OSError as error:
        raise write_error(path, error) from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`; what the block writes there replaces `path` when the block succeeds.

    The new content is on the disk before it takes the old one's name, and the name's change is on the disk before
    the block ends: a reader, a crash or a power cut sees the old file or the new one, never a part. When the block
    fails, the old file stands and the temporary one is gone.

    Raises: RunError when the place can't be written or the disk is full.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}{TEMPORARY_SUFFIX}")
    try:
        with writing(path):
            yield temporary
            _sync(temporary)
            os.replace(temporary, path)
            _sync_directory(path.parent)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def write_bytes(path: Path, content: bytes) -> None:
    """Replaces the file's content as a whole (see `replacing`). Raises: RunError."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Replaces the file's content as a whole, in UTF-8 with the line ends as given. Raises: RunError."""
    write_bytes(path, content.encode("utf-8"))


def append_bytes(path: Path, content: bytes) -> None:
    """Appends to the file, which is made when it isn't there, and waits until the disk has it.

    When the disk is full the part that was written is taken back, so that what stood there before stays readable.

    Raises: RunError.
    """
    with writing(path), open(path, "ab", buffering=0) as file:
        before = file.seek(0, os.SEEK_END)
        try:
            if file.write(content) != len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file.fileno())
        except BaseException:
            with suppress(OSError):
                file.truncate(before)
            raise


def remove_leftovers(directory: Path) -> None:
    """Removes temporary files that a killed process left in the directory. Call it only when no other one writes."""
    for leftover in directory.glob(f".*{TEMPORARY_SUFFIX}"):
        with suppress(OSError):
            leftover.unlink()


def _sync(path: Path) -> None:
    """Waits until the file's content is on the disk."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_directory(path: Path) -> None:
    """Waits until the directory's entries are on the disk, where the system can do that (Windows can't)."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems sync no directories
            raise
    finally:
        os.close(descriptor)
