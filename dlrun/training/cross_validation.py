"""Cross-validation: the same config trained on each fold, each a run of its own, and what they reach together."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from dlrun.config.load import LoadedConfig
from dlrun.config.resolve import resolved_yaml
from dlrun.data.config import SplitConfig
from dlrun.errors import Interrupted, UsageError
from dlrun.metrics import scalars
from dlrun.runs.directory import RunDirectory
from dlrun.runs.folds import CrossValidation, FoldResult, find_cross_validation
from dlrun.runs.record import read_record
from dlrun.training import resume as resuming
from dlrun.training.evaluation import draw_evaluation, evaluate_run, write_evaluation
from dlrun.training.events import Listener
from dlrun.training.run import Finished, begin_run, continue_run, train

FOLDS = 5
Show = Callable[[RunDirectory, Callable[[Listener], Finished]], None]
"""Runs a fold's training with a display (dlrun.cli.train.show_training)."""


@dataclass(frozen=True)
class Choice:
    """How the rows are divided into folds, as the command line says; None and False: as the config has it."""

    folds: int | None = None
    group: str | None = None
    forward: bool = False


def fold_config(loaded: LoadedConfig, choice: Choice, fold: int) -> LoadedConfig:
    """Return a config with its split replaced by a fold; `validation`, `sort_by` and `group` stay.

    A chronological split and a stream become forward folds. Raises: UsageError where the options contradict each other.
    """
    config = loaded.config
    split = config.data.split
    in_order = split.is_chronological or config.data.source.windows() is not None or config.data.window is not None
    forward = choice.forward or (in_order and choice.group is None)
    fields = {
        "type": "folds", "folds": choice.folds or split.folds or FOLDS, "fold": fold, "forward": forward,
        "group": choice.group or (None if choice.forward else split.group), "validation": split.validation,
        "sort_by": split.sort_by if forward else None,
    }  # fmt: skip
    try:
        changed = SplitConfig.model_validate(fields)
    except ValidationError as error:
        reason = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
        raise UsageError(f"these folds can't be: {reason}", "dlrun cross-validate --help") from None
    data = config.data.model_copy(update={"split": changed})
    return replace(loaded, config=config.model_copy(update={"data": data}))


def open_cross_validation(
    loaded: LoadedConfig, choice: Choice, command: Sequence[str], runs: Path, anew: bool = False
) -> CrossValidation:
    """Return the cross-validation of this config that was begun before, or else a new one. Raises: RunError."""
    first = fold_config(loaded, choice, 1).config
    text = resolved_yaml(first)
    found = None if anew else find_cross_validation(first.name, text, runs)
    if found is not None:
        return found
    folds = first.data.split.folds
    assert folds is not None
    return CrossValidation.create(first.name, text, folds, tuple(command), runs)


def cross_validate(
    work: CrossValidation, loaded: LoadedConfig, choice: Choice, command: Sequence[str], show: Show
) -> CrossValidation:
    """Train and measure each fold that isn't done, from where it was left; return all results.

    Raises: what training raises; Interrupted, after which the same call goes on.
    """
    for fold in range(1, work.folds + 1):
        run = work.run_of(fold)
        if _is_measured(work, run, fold):
            continue
        try:
            _train(fold_config(loaded, choice, fold), run, command, show)
        except Interrupted as stopped:
            message = f"fold {fold} of {work.folds}: {stopped.message}"
            raise Interrupted(message, "the same command goes on from here") from None
        work = work.with_result(_measured(run, fold))
    return work


def _is_measured(work: CrossValidation, run: RunDirectory, fold: int) -> bool:
    """Whether a fold's result is that of its network as it is now: `dlrun resume` may have trained it further."""
    result = (work.results or {}).get(fold)
    return result is not None and _is_trained(run) and read_record(run.record).step == result.step


def _is_trained(run: RunDirectory) -> bool:
    """Whether a fold has had all the training that its config gives it."""
    if not run.record.exists():
        return False
    record = read_record(run.record)
    return record.status == "finished" or (record.status, record.reason) == ("stopped", "max_time")


def _train(loaded: LoadedConfig, run: RunDirectory, command: Sequence[str], show: Show) -> None:
    """Train a fold from its start, or from its last checkpoint, to its end."""
    if _is_trained(run):
        return
    if not run.record.exists():
        if run.path.exists():  # killed before its config was whole
            shutil.rmtree(run.path)
        run.checkpoints.mkdir(parents=True)
        begin_run(run, loaded, command)
        show(run, lambda console: train(loaded, run, console))
        return
    plan = resuming.prepare(run, [])
    if resuming.nothing_left(plan) is None:
        show(run, lambda console: continue_run(plan.config, run, console, plan.restored))


def _measured(run: RunDirectory, fold: int) -> FoldResult:
    """Evaluate a fold's network on the fold's rows, as `dlrun evaluate` does, files included."""
    evaluation = evaluate_run(run, "test", None)
    write_evaluation(run, evaluation)
    draw_evaluation(run, evaluation)
    record = read_record(run.record)
    return FoldResult(
        fold, evaluation.split.rows, record.epochs, record.step, evaluation.checkpoint, scalars(evaluation.metrics)
    )
