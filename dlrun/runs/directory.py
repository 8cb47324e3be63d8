"""Run directories: `runs/<name>-<n>/`, made once, never overwritten, found again by name."""

from __future__ import annotations

import difflib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from dlrun.errors import RunError, UsageError
from dlrun.runs.files import writing
from dlrun.runs.record import RunRecord, read_record

RUNS = Path("runs")
LATEST = "latest"

_NUMBERED = re.compile(r"(?P<name>.+)-(?P<number>[1-9][0-9]*)")
_MARKS = ("run.json", "config.yaml", "config.resolved.yaml", "checkpoints")


@dataclass(frozen=True)
class RunDirectory:
    """Where the files of one run are."""

    path: Path

    @classmethod
    def create(cls, name: str, runs: Path = RUNS) -> RunDirectory:
        """Makes `<runs>/<name>-<n>/` with the next free n; of two commands that start at once, each gets its own.

        A number is never lower than that of a run which still exists, so numbers follow the order of the starts.

        Raises: RunError when the directory can't be made, or the name can't be part of a path.
        """
        if name in ("", ".", "..") or re.search(r'[/\\:*?"<>|\x00-\x1f]', name):
            raise RunError(f"a run can't be named {name!r}", "use letters, digits, '_', '-' and '.'")
        with writing(runs):
            runs.mkdir(parents=True, exist_ok=True)
            number = 1 + max((_number(entry.name, name) for entry in runs.iterdir()), default=0)
        while True:
            path = runs / f"{name}-{number}"
            try:
                with writing(path):
                    path.mkdir()  # fails when it exists: this is what decides between two starts
            except RunError as error:
                if not isinstance(error.__cause__, FileExistsError):
                    raise
                number += 1
                continue
            run = cls(path)
            with writing(path):
                run.checkpoints.mkdir()
            return run

    @classmethod
    def open(cls, path: Path) -> RunDirectory:
        """The run in the directory `path`. Raises: UsageError when it is none."""
        if not path.is_dir():
            raise UsageError(f"{path} is no directory", "name a run's directory, its name, or 'latest'")
        if not is_run(path):
            raise UsageError(f"{path} is no run: it has no run.json", _way_in(path))
        return cls(path)

    @property
    def name(self) -> str:
        """The run's name with its number, such as mnist_cnn-1."""
        return self.path.resolve().name

    @property
    def config(self) -> Path:
        """The config as the user wrote it, byte for byte."""
        return self.path / "config.yaml"

    @property
    def resolved_config(self) -> Path:
        """The config with defaults, aliases, inheritance and overrides worked in."""
        return self.path / "config.resolved.yaml"

    @property
    def plan(self) -> Path:
        """The printed plan."""
        return self.path / "plan.txt"

    @property
    def record(self) -> Path:
        """What is known about the run (dlrun.runs.record)."""
        return self.path / "run.json"

    @property
    def metrics(self) -> Path:
        """A row an epoch (dlrun.runs.metrics_csv)."""
        return self.path / "metrics.csv"

    @property
    def log(self) -> Path:
        """What the run said, with times."""
        return self.path / "train.log"

    @property
    def evaluation(self) -> Path:
        """The results of `dlrun evaluate`."""
        return self.path / "evaluation.json"

    @property
    def plots(self) -> Path:
        """The directory of the plots; made when the first is drawn."""
        return self.path / "plots"

    @property
    def checkpoints(self) -> Path:
        """The directory of the checkpoints."""
        return self.path / "checkpoints"

    @property
    def last(self) -> Path:
        """The checkpoint that `dlrun resume` continues from."""
        return self.checkpoints / "last.safetensors"

    @property
    def best(self) -> Path:
        """The checkpoint of the best epoch."""
        return self.checkpoints / "best.safetensors"

    def numbered_checkpoint(self, epoch: int) -> Path:
        """The checkpoint kept for the end of an epoch."""
        return self.checkpoints / f"epoch-{epoch:04d}.safetensors"


def is_run(path: Path) -> bool:
    """Whether the directory holds a run, if only its beginning."""
    return path.is_dir() and any((path / mark).exists() for mark in _MARKS)


def list_directories(runs: Path = RUNS) -> list[RunDirectory]:
    """The runs in a folder, in the order of their starts; none when there is no folder. Raises: RunError."""
    try:
        found = [RunDirectory(entry) for entry in runs.iterdir() if is_run(entry)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise RunError(f"can't read {runs}: {error.strerror}") from error
    return sorted(found, key=_start_order)


def find_run(run: str, runs: Path = RUNS) -> RunDirectory:
    """The run that the user means by a directory, a run's name in the folder `runs`, or `latest`.

    A name in `runs` goes before a directory of that name elsewhere.

    Raises: UsageError when there is no such run, with the nearest names.
    """
    if run == LATEST:
        return _latest(runs)
    if os.sep not in run and is_run(runs / run):
        return RunDirectory(runs / run)
    if Path(run).exists():
        return RunDirectory.open(Path(run))
    if (runs / run).is_dir():  # a fold of a cross-validation, say: titanic-cv-1/fold-2
        return RunDirectory.open(runs / run)
    raise UsageError(f"there is no run {run!r}", _nearest(Path(run).name, runs))


def _way_in(path: Path) -> str:
    """What to name instead of a directory that is no run."""
    inside = [run.name for run in list_directories(path)]
    if not inside:
        return "name a run's directory, its name, or 'latest'"
    return f"it holds runs: name one of them, such as {path / inside[0]}"


def _latest(runs: Path) -> RunDirectory:
    found = list_directories(runs)
    if not found:
        raise UsageError(f"there are no runs in {runs} yet", "dlrun train CONFIG starts one")
    return found[-1]


def _nearest(run: str, runs: Path) -> str:
    names = [directory.name for directory in list_directories(runs)]
    if not names:
        return f"there are no runs in {runs} yet; dlrun train CONFIG starts one"
    same_config = [name for name in names if _number(name, run)]
    near = same_config[::-1] or difflib.get_close_matches(run, names, n=3, cutoff=0.5)
    newest = f"the newest is {names[-1]!r}; dlrun runs lists them all"
    return f"did you mean {' or '.join(map(repr, near[:3]))}? {newest}" if near else newest


def _number(entry: str, name: str) -> int:
    """The n of `<name>-<n>`, 0 for any other entry."""
    match = _NUMBERED.fullmatch(entry)
    return int(match["number"]) if match and match["name"] == name else 0


def _start_order(run: RunDirectory) -> tuple[float, int, str]:
    """When a run began: by its record, or when that is damaged by its oldest file's time."""
    try:
        record: RunRecord | None = read_record(run.record)
    except RunError:
        record = None
    match = _NUMBERED.fullmatch(run.name)
    number = int(match["number"]) if match else 0
    if record is not None:
        return record.started.timestamp(), number, run.name
    times = [mark.stat().st_mtime for mark in map(run.path.joinpath, _MARKS) if mark.exists()]
    return min(times, default=0.0), number, run.name
