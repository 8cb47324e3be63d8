"""Files from the network: with mirrors, checksums, timeouts and a progress bar; whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dlrun.errors import DataError

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

TIMEOUT = 10.0
"""Seconds that a mirror may stay silent."""
BLOCK = 1 << 16


@dataclass(frozen=True)
class RemoteFile:
    """A file to download: its name in the folder, its SHA-256, and where it lies, the first mirror first."""

    name: str
    sha256: str
    urls: tuple[str, ...]


class Unreachable(DataError):
    """No mirror gave the file."""


def download(files: Sequence[RemoteFile], folder: Path) -> None:
    """Puts the files that `folder` lacks into it; raises Unreachable, or DataError when the folder can't be written.

    Each is written under a temporary name beside its place, checked, and renamed: a download that was cut off is
    never taken for a whole file.
    """
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    missing = [file for file in files if not (folder / file.name).is_file()]
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            for file in missing:
                _download_one(file, folder, progress)
    except Unreachable:
        with contextlib.suppress(OSError):
            folder.rmdir()  # only where it is empty: a folder without its files helps nobody
        raise
    except OSError as error:
        raise DataError(f"can't write into {folder}: {error.strerror or error}") from None


def _download_one(file: RemoteFile, folder: Path, progress: Progress) -> None:
    failures = []
    task = progress.add_task(file.name, total=None)
    for url in file.urls:
        handle, temporary = tempfile.mkstemp(prefix=f".{file.name}-", dir=folder)
        os.close(handle)
        try:
            failure = _transfer(url, Path(temporary), file.sha256, progress, task)
            if failure is None:
                os.chmod(temporary, 0o644)
                os.replace(temporary, folder / file.name)
                return
            failures.append(f"{url}: {failure}")
        finally:
            Path(temporary).unlink(missing_ok=True)
    raise Unreachable(
        f"can't download {file.name}: " + "; ".join(failures),
        help=f"put the file into {folder}, or set DLRUN_DATASETS to a folder that holds {folder.name}/{file.name}",
    )


def _transfer(url: str, target: Path, sha256: str, progress: Progress, task: TaskID) -> str | None:
    """Fetches one URL into `target`; returns what went wrong, or None when the checksum is right."""
    import http.client
    import urllib.error
    import urllib.request

    digest = hashlib.sha256()
    try:
        request = urllib.request.Request(url, headers={"User-Agent": "dlrun"})
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
            length = response.headers.get("Content-Length")
            progress.reset(task, total=int(length) if length else None)
            with target.open("wb") as output:
                while block := response.read(BLOCK):
                    output.write(block)
                    digest.update(block)
                    progress.advance(task, len(block))
                output.flush()
                os.fsync(output.fileno())
    except urllib.error.HTTPError as error:
        return f"HTTP {error.code}"
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        return str(getattr(error, "reason", error)) or type(error).__name__
    if digest.hexdigest() != sha256:
        return f"its SHA-256 is {digest.hexdigest()}, expected {sha256}"
    return None


@dataclass
class Offline:
    """Remembers for a while that the network was not there, so that not every start waits for it."""

    marker: Path
    seconds: float = 3600.0

    def recent(self) -> bool:
        """Whether a download failed within the last hour."""
        try:
            return time.time() - self.marker.stat().st_mtime < self.seconds
        except OSError:
            return False

    def remember(self) -> None:
        """Notes that a download failed just now; a folder that can't be written costs only the wait."""
        try:
            self.marker.parent.mkdir(parents=True, exist_ok=True)
            self.marker.touch()
        except OSError:
            pass
