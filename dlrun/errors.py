"""The errors that a user can cause, and the tree they form.

    DlrunError                 exit code 1, one clear message, no traceback
    ├── ConfigError            exit code 2: every problem found in a config, each with its place
    ├── UsageError             exit code 2: the command line is wrong (no such run, no such file ...)
    ├── DataError              the data can't be found, read, or used as the config asks
    ├── MissingExtra           an optional package is needed; names the extra that installs it
    ├── CheckpointError        a checkpoint is truncated, foreign, tampered with, or doesn't fit
    ├── RunError               the run directory can't be written, the disk is full ...
    ├── TrackingError         a tracker can't be reached, or refuses what it is sent
    ├── NonFiniteError         training met NaN or infinity; names the layer
    └── Interrupted            exit code 130: stopped by the user after a checkpoint was written

Anything else that escapes is a bug and shows its traceback.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Path = tuple[str | int, ...]
"""Where a value stands in a config: ("model", "layers", 2, "units")."""


class DlrunError(Exception):
    """A failure that the user can understand and mend: what happened, and the way out."""

    exit_code = 1

    def __init__(self, message: str, help: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.help = help


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong in a config.

    `path` is the value's place in the tree; with `at_key` the caret points at the key rather than at the value
    (an unknown key, say). The file, line and column are looked up when the problem is printed.
    """

    path: Path
    message: str
    help: str | None = None
    at_key: bool = False


class ConfigError(DlrunError):
    """Every problem of a config at once."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = tuple(problems)


class ShapeError(DlrunError):
    """A layer, loss or transform can't take the shape it is given; the caller adds the place.

    `field` names the component's field that is at fault, or None for the component as a whole.
    """

    exit_code = 2

    def __init__(self, message: str, field: str | None = None, help: str | None = None) -> None:
        super().__init__(message, help)
        self.field = field


class UsageError(DlrunError):
    """The command line is wrong."""

    exit_code = 2


class DataError(DlrunError):
    """The data can't be found, read, or used as the config asks."""


class MissingExtra(DlrunError):
    """A package of an optional extra is needed and not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        message = f"{purpose} needs the package {package!r}, which is not installed"
        super().__init__(message, f"pip install 'dlrun[{extra}]'")


class CheckpointError(DlrunError):
    """A checkpoint is truncated, foreign, tampered with, or doesn't fit."""


class RunError(DlrunError):
    """A run directory can't be found, read or written."""


class TrackingError(DlrunError):
    """A tracker can't be reached, or refuses what it is sent."""


class NonFiniteError(DlrunError):
    """Training met NaN or infinity."""


class Interrupted(DlrunError):
    """The user stopped the run; a checkpoint was written."""

    exit_code = 130
