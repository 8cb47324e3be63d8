"""A run's files, sent to where it is trained and back while it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dlrun.runs.directory import RunDirectory
from dlrun.runs.environment import this_process
from dlrun.runs.files import TEMPORARY_SUFFIX, write_bytes, writing
from dlrun.runs.record import RunRecord, read_record, update_record, write_record

Files = Mapping[str, bytes | None]
"""Contents by paths below the run's directory; None for a file that is gone."""


class Changes:
    """Finds what changed in a run since it was looked at last."""

    def __init__(self, run: RunDirectory) -> None:
        self.run = run
        self._seen: dict[str, tuple[int, int, int]] = {}

    def collect(self) -> Files:
        """Return every file that is new, has changed, or is gone."""
        found: dict[str, tuple[int, int, int]] = {}
        content: dict[str, bytes | None] = {}
        for path in sorted(self.run.path.rglob("*")):
            if not path.is_file() or path.name.endswith(TEMPORARY_SUFFIX):
                continue
            name, state = path.relative_to(self.run.path).as_posix(), path.stat()
            found[name] = (state.st_mtime_ns, state.st_size, state.st_ino)
            if found[name] != self._seen.get(name):
                content[name] = path.read_bytes()
        content |= dict.fromkeys(self._seen.keys() - found.keys())
        self._seen = found
        return content


def put_files(run: RunDirectory, files: Files) -> None:
    """Write files into a run, in the order in which a training does: a kill in between is one of the training's.

    Whoever does this keeps the run: run.json names this process. Raises: RunError.
    """
    with writing(run.path):
        run.checkpoints.mkdir(parents=True, exist_ok=True)
    for path, content in sorted(
        ((run.path / name, each) for name, each in files.items()), key=lambda pair: _rank(run, pair)
    ):
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            with writing(path):
                path.unlink(missing_ok=True)
        elif path == run.record:
            write_record(path, RunRecord.model_validate_json(content).changed(process=this_process()))
        else:
            write_bytes(path, content)


def leave(run: RunDirectory) -> None:
    """Note in run.json that nobody trains the run any more, if it says that somebody does. Raises: RunError."""
    if run.record.exists() and read_record(run.record).status == "running":
        update_record(run.record, status="interrupted")


def _rank(run: RunDirectory, file: tuple[Path, bytes | None]) -> tuple[bool, ...]:
    """Metrics and logs, then checkpoints, the last of them last, then the record that names them; then what goes."""
    path, content = file
    return content is None, path == run.record, path == run.last, path.parent == run.checkpoints
