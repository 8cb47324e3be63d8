"""What may change when a run goes on, and what may not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dlrun.config.diff import Change, config_diff, diff_text
from dlrun.config.load import LoadedConfig, load_config, load_text
from dlrun.config.run_config import RunConfig
from dlrun.errors import CheckpointError, Path, Problem
from dlrun.runs.directory import RunDirectory
from dlrun.runs.record import read_record
from dlrun.training.checkpointing import Restored, read_training
from dlrun.training.monitors import best_monitor, early_stopping_monitor
from dlrun.training.state import TrainingState, reason_to_end

CHANGEABLE: tuple[Path, ...] = (
    ("data", "cache"),
    ("data", "source", "path"),  # moved files: the fingerprint tells whether they are the same
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
    ("anomaly",),
    ("tracking",),
)


@dataclass(frozen=True)
class ResumePlan:
    """A run's config as it shall go on, its checkpoint if it has one, and what differs, as text."""

    config: LoadedConfig
    restored: Restored | None
    differences: str


def prepare(run: RunDirectory, overrides: Sequence[str]) -> ResumePlan:
    """Read what a run needs to go on; nothing is changed yet.

    A run that was killed before its first checkpoint begins again, and comes to the same. The config is that of
    config.resolved.yaml (of the checkpoint, where that file is missing) with the overrides.

    Raises: CheckpointError where the checkpoint is damaged or was taken away; LocatedConfigError where the config is
    changed in a way that a trained network can't follow.
    """
    restored = read_training(run.last) if run.last.exists() else None
    if restored is None and not run.resolved_config.exists():
        raise CheckpointError(
            f"{run.path} has neither a checkpoint nor a config.resolved.yaml", f"start anew: dlrun train {run.config}"
        )
    if run.resolved_config.exists():
        after = load_config(run.resolved_config, overrides)
    else:
        assert restored is not None
        after = load_text(restored.config.text.decode(), str(run.resolved_config), overrides)
    if restored is None:
        before = load_config(run.resolved_config).config
        _expect_young(run, before)
    else:
        before = restored.config.config
    changes = config_diff(before, after.config)
    problems = [_refusal(change) for change in changes if not _may_change(change)]
    if problems:
        raise after.error(problems)
    if restored is not None:
        restored = replace(restored, state=_adapted(restored, after.config))
    return ResumePlan(after, restored, diff_text(changes) if changes else "")


def nothing_left(plan: ResumePlan) -> str | None:
    """Return why there is nothing left to train, and what would extend the run; None when there is."""
    if plan.restored is None:
        return None
    state, training = plan.restored.state, plan.config.config.training
    done = f"after {state.epoch} epochs, {state.step} steps"
    endings = {
        "early_stopping": f"early stopping ended this run {done}: training.early_stopping=null would let it go on",
        "finished": f"this run is finished {done}: training.epochs={2 * state.epoch} would extend it",
        "max_steps": f"this run is finished {done}: training.max_steps={2 * state.step} (or null) would extend it",
        "max_time": f"this run has had its training.max_time {done}: a longer one, or null, would extend it",
    }
    return endings.get(reason_to_end(state, training) or "")


def _expect_young(run: RunDirectory, config: RunConfig) -> None:
    """Raise CheckpointError unless a run without a checkpoint never had one."""
    if not config.training.checkpoints.last:
        raise CheckpointError(
            f"{run.path} keeps no last checkpoint: its training.checkpoints.last is false",
            "start a new run, with initialize_from to begin with this one's weights",
        )
    if read_record(run.record).checkpoint is not None:
        raise CheckpointError(f"the checkpoint {run.last} is missing", "put it back, or start a new run")


def _may_change(change: Change) -> bool:
    return any(change.path[: len(allowed)] == allowed for allowed in CHANGEABLE)


def _refusal(change: Change) -> Problem:
    return Problem(
        change.path, f"{change} can't change in the middle of a run", "start a new run with it, or use initialize_from"
    )


def _adapted(restored: Restored, after: RunConfig) -> TrainingState:
    """Return the state without the best values of what is no longer monitored."""
    before, state = restored.config.config, restored.state
    validates = any(name.startswith("validation/") for name in state.best_row)
    if best_monitor(before, validates) != best_monitor(after, validates):
        state = state.changed(best=None, best_epoch=None, best_row={})
    if early_stopping_monitor(before) != early_stopping_monitor(after):
        state = state.changed(early_best=None, waited=0)
    if before.schedule != after.schedule:
        state = state.changed(plateau=None)
    return state
