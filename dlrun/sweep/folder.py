"""Sweep folders: `sweeps/<name>-<n>/`, made once, found again by their definition or by name.

sweep.yaml      the sweep, whole: a config with a `sweep` section
sweep.json      its identity, its budget, the command that made it
journal.log     Optuna's journal: every trial, its values, who works on it
trials/HASH/    the trials' runs, each named after its resolved config
best.yaml       the config of the best trial so far
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlrun.errors import RunError, UsageError
from dlrun.runs.directory import RunDirectory
from dlrun.runs.files import write_text, writing
from dlrun.runs.record import now
from dlrun.sweep.definition import Sweep, read_sweep
from dlrun.sweep.lock import locked

SWEEPS = Path("sweeps")
FORMAT = 1
NEW = ".new-"
LATEST = "latest"


@dataclass(frozen=True)
class SweepFolder:
    """Where the files of one sweep are."""

    path: Path

    @property
    def name(self) -> str:
        """The folder's name, such as mnist_cnn-1."""
        return self.path.resolve().name

    @property
    def definition(self) -> Path:
        """The sweep as a config."""
        return self.path / "sweep.yaml"

    @property
    def record(self) -> Path:
        """The sweep's identity and budget."""
        return self.path / "sweep.json"

    @property
    def journal(self) -> Path:
        """Optuna's journal."""
        return self.path / "journal.log"

    @property
    def trials(self) -> Path:
        """The folder of the trials' runs."""
        return self.path / "trials"

    @property
    def best(self) -> Path:
        """The best trial's config."""
        return self.path / "best.yaml"

    @property
    def worker_log(self) -> Path:
        """What worker processes write to their standard error."""
        return self.path / "workers.log"

    def lock(self, purpose: str) -> Path:
        """Return the file of a lock."""
        return self.path / f".{purpose}.lock"

    def run(self, key: str) -> RunDirectory:
        """Return the run of a trial; its directory may not exist yet."""
        return RunDirectory(self.trials / key)

    def read(self) -> dict[str, Any]:
        """Return the content of sweep.json. Raises: RunError."""
        try:
            content = json.loads(self.record.read_text(encoding="utf-8"))
            if not isinstance(content["trials"], int) or not isinstance(content["identity"], str):
                raise ValueError("its entries have other types")
        except OSError as error:
            raise RunError(f"can't read {self.record}: {error.strerror}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise RunError(f"{self.record} is damaged: {error!r}") from error
        return dict(content)

    def extend(self, trials: int) -> int:
        """Raise the budget to so many trials, if it is lower; return what it is then. Raises: RunError."""
        with locked(self.lock("claims")):
            content = self.read()
            if trials > content["trials"]:
                write_text(self.record, _json({**content, "trials": trials}))
            return max(trials, int(content["trials"]))

    def sweep(self) -> Sweep:
        """Return the sweep's definition. Raises: LocatedConfigError."""
        return read_sweep(self.definition, (), {})


def open_folder(sweep: Sweep, command: Sequence[str], sweeps: Path = SWEEPS, anew: bool = False) -> SweepFolder:
    """Return the folder of this very sweep that was begun before, or else a new one. Raises: RunError.

    Of two commands that start at once, one makes the folder and the other finds it.
    """
    with writing(sweeps):
        sweeps.mkdir(parents=True, exist_ok=True)
    identity = sweep.identity()
    with locked(sweeps / ".lock"):
        numbers = {_number(entry, sweep.name): entry for entry in os.listdir(sweeps)}
        numbers.pop(0, None)
        for number in sorted(numbers, reverse=True) if not anew else ():
            found = SweepFolder(sweeps / numbers[number])
            if found.record.exists() and found.read()["identity"] == identity:
                found.extend(sweep.trials)
                return found
        return _create(sweep, identity, command, sweeps / f"{sweep.name}-{1 + max(numbers, default=0)}")


def _create(sweep: Sweep, identity: str, command: Sequence[str], path: Path) -> SweepFolder:
    """Make a folder, whole or not at all."""
    for leftover in path.parent.glob(f"{NEW}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    new = SweepFolder(path.with_name(NEW + path.name))
    with writing(path):
        new.trials.mkdir(parents=True)
        write_text(new.definition, sweep.to_yaml())
        content = {
            "format": FORMAT, "name": path.name, "identity": identity, "trials": sweep.trials,
            "created": now().isoformat(), "command": list(command),
        }  # fmt: skip
        write_text(new.record, _json(content))
        os.rename(new.path, path)
    return SweepFolder(path)


def find_sweep(sweep: str, sweeps: Path = SWEEPS) -> SweepFolder:
    """Return the sweep that the user means by a folder, a name in `sweeps`, or 'latest'. Raises: UsageError."""
    if sweep == LATEST:
        made = [(entry.read()["created"], entry.path) for entry in list_sweeps(sweeps)]
        if not made:
            raise UsageError(f"there are no sweeps in {sweeps} yet", "dlrun sweep CONFIG path=a,b,c starts one")
        return SweepFolder(max(made)[1])
    for path in (sweeps / sweep, Path(sweep)):
        if SweepFolder(path).record.exists():
            return SweepFolder(path)
    names = ", ".join(entry.name for entry in list_sweeps(sweeps))
    raise UsageError(f"there is no sweep {sweep!r}", f"there are: {names}" if names else f"{sweeps} holds none")


def list_sweeps(sweeps: Path = SWEEPS) -> list[SweepFolder]:
    """Return the sweeps in a folder."""
    if not sweeps.is_dir():
        return []
    found = [SweepFolder(entry) for entry in sorted(sweeps.iterdir()) if not entry.name.startswith(".")]
    return [each for each in found if each.record.exists()]


def _number(entry: str, name: str) -> int:
    """The n of `<name>-<n>`, 0 for any other entry."""
    rest = entry.removeprefix(f"{name}-")
    return int(rest) if rest != entry and rest.isdecimal() else 0


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
