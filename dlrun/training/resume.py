"""What may change when a run goes on, and what may not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dlrun.config.diff import config_diff, diff_text
from dlrun.config.load import LoadedConfig, load_config
from dlrun.errors import CheckpointError, Path, Problem
from dlrun.runs.directory import RunDirectory
from dlrun.training.checkpointing import Restored, read_training

CHANGEABLE: tuple[Path, ...] = (
    ("training", "epochs"),
    ("training", "max_steps"),
    ("training", "max_time"),
    ("training", "threads"),
    ("training", "validate_every"),
    ("training", "early_stopping"),
    ("training", "checkpoints"),
    ("optimizer", "learning_rate"),
    ("schedule",),
    ("metrics",),
)


@dataclass(frozen=True)
class ResumePlan:
    """A run's config as it shall go on, its checkpoint, and what differs, as text."""

    config: LoadedConfig
    restored: Restored
    differences: str


def prepare(run: RunDirectory, overrides: Sequence[str]) -> ResumePlan:
    """Read what a run needs to go on.

    Raises: CheckpointError where there is no whole checkpoint; LocatedConfigError where an override is wrong, or
    changes what a trained network can't change any more.
    """
    before = load_config(run.resolved_config)
    after = load_config(run.resolved_config, overrides)
    if not run.last.exists():
        raise CheckpointError(
            f"{run.path} has no checkpoint yet: it ended before its first epoch was over",
            f"start it anew: dlrun train {run.config}",
        )
    changes = config_diff(before.config, after.config)
    problems = [
        Problem(change.path, f"{change} can't change in the middle of a run", "start a new run with it, or use initialize_from")
        for change in changes
        if not any(change.path[: len(allowed)] == allowed for allowed in CHANGEABLE)
    ]
    if problems:
        raise after.error(problems)
    return ResumePlan(after, read_training(run.last), diff_text(changes) if changes else "")
