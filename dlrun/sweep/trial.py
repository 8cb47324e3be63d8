"""One trial: an ordinary run in the sweep's folder, begun or taken up where it was left."""

from __future__ import annotations

import math
import os
import shutil
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dlrun.config.load import LoadedConfig
from dlrun.errors import CheckpointError, DlrunError, Interrupted, RunError
from dlrun.runs.directory import RunDirectory
from dlrun.runs.metrics_csv import read_metrics
from dlrun.runs.record import read_record, update_record
from dlrun.runs.train_log import TrainLog
from dlrun.sweep.definition import Sweep
from dlrun.sweep.folder import SweepFolder
from dlrun.sweep.study import Claim
from dlrun.sweep.watching import Watcher, is_better
from dlrun.training import resume as resuming
from dlrun.training.events import EpochResult, Listener
from dlrun.training.run import begin_run, continue_run, settle, train
from dlrun.training.signals import Stopper

PRUNED = "pruned"
DONE = (("finished", None), ("stopped", "max_time"), ("stopped", PRUNED))
"""Statuses and reasons of runs that have nothing left to train."""


class Ledger(Protocol):
    """What a trial needs of its study: a `dlrun.sweep.study.Study`, or one that is kept on another machine."""

    @property
    def sweep(self) -> Sweep:
        """The sweep's definition."""

    @property
    def folder(self) -> SweepFolder:
        """Where the trial's run is."""

    def report(self, claim: Claim, epoch: int, value: float) -> bool:
        """Note an epoch's value; return whether the trial is to be ended."""

    def finish(self, claim: Claim, value: float, epoch: int) -> None:
        """Note a trial's result and the epoch that had it."""

    def prune(self, claim: Claim) -> None:
        """Note that a trial was ended before its last epoch."""

    def fail(self, number: int, reason: str) -> None:
        """Note that a trial failed."""

    def release(self, claim: Claim) -> None:
        """Leave a trial as it is, for whoever comes next."""


@dataclass(frozen=True)
class Outcome:
    """How a trial ended: "finished" or "pruned", with its best value and the epoch that had it."""

    how: str
    value: float
    epoch: int


def work_on(
    study: Ledger, claim: Claim, command: Sequence[str], watcher: Watcher, stopper: Stopper | None = None
) -> None:
    """Train a trial and note its result; what fails in it is noted and told, and raises nothing.

    `stopper` lets the caller end the training too.

    Raises: Interrupted or KeyboardInterrupt, after which the trial waits for whoever comes next.
    """
    run = study.folder.run(claim.key)
    try:
        loaded = study.sweep.config_of(claim.assignment)
        epochs = loaded.config.training.epochs
        watcher.started(claim.number, claim.key, study.sweep.space.text(claim.assignment), epochs)
        listener = TrialListener(study, claim, watcher, stopper or Stopper())
        _train(loaded, run, command, listener)
        outcome = outcome_of(study, run)
    except (Interrupted, KeyboardInterrupt):
        study.release(claim)
        watcher.ended(claim.number, "stopped", None, None, "")
        raise
    except Exception as error:  # whatever it is, the other trials go on
        reason = error.message if isinstance(error, DlrunError) else f"{type(error).__name__}: {error}"
        if not isinstance(error, DlrunError):
            with suppress(RunError):
                TrainLog(run.log).write(traceback.format_exc())
        study.fail(claim.number, reason)
        watcher.ended(claim.number, "failed", None, None, reason)
        return
    if outcome.how == PRUNED:
        study.prune(claim)
    else:
        study.finish(claim, outcome.value, outcome.epoch)
    watcher.ended(claim.number, outcome.how, outcome.value, outcome.epoch, "")


def outcome_of(study: Ledger, run: RunDirectory) -> Outcome:
    """Return what a run that is done has reached: the best of its epochs. Raises: RunError if it has none."""
    record = read_record(run.record)
    metric = study.sweep.settings.metric or ""
    best, epoch = math.nan, 0
    for row in read_metrics(run.metrics).rows:
        value = row.get(metric)
        if value is not None and is_better(value, best, study.sweep.maximizes):
            best, epoch = float(value), int(row["epoch"] or 0)
    how = PRUNED if record.reason == PRUNED else "finished"
    if not math.isfinite(best) and how == "finished":
        raise RunError(f"{metric} was never measured, or never finite")
    return Outcome(how, best, epoch)


def _is_done(run: RunDirectory) -> bool:
    if not run.record.exists():
        return False
    record = read_record(run.record)
    return (record.status, None) in DONE or (record.status, record.reason) in DONE


def _train(loaded: LoadedConfig, run: RunDirectory, command: Sequence[str], listener: TrialListener) -> None:
    """Train a run from its start, or from its last checkpoint; nothing, where it is done."""
    if _is_done(run):
        return
    stopper = listener.stopper
    if run.record.exists():
        try:
            plan = resuming.prepare(run, [])
        except CheckpointError:  # it begins anew, and comes to the same
            shutil.rmtree(run.path)
        else:
            if listener.heard(run):  # killed between the pruner's decision and the run's end
                update_record(run.record, status="stopped", reason=PRUNED)
            elif resuming.nothing_left(plan) is None:
                continue_run(plan.config, run, listener, plan.restored, stopper, draws=False)
            else:  # killed between its last checkpoint and its end
                update_record(run.record, status="finished", reason=None)
            return
    if run.path.exists():  # killed before its config was whole
        shutil.rmtree(run.path)
    run.checkpoints.mkdir(parents=True)
    loaded = settle(loaded, Path(os.environ.get("DLRUN_RUNS", "runs")))
    begin_run(run, loaded, command)
    train(loaded, run, listener, stopper=stopper, draws=False)


class TrialListener(Listener):
    """Passes a training's epochs on to the study and the watcher; ends it where the pruner says so."""

    def __init__(self, study: Ledger, claim: Claim, watcher: Watcher, stopper: Stopper) -> None:
        self.study, self.claim, self.watcher, self.stopper = study, claim, watcher, stopper
        self.metric = study.sweep.settings.metric or ""
        self.best = math.nan

    def heard(self, run: RunDirectory) -> bool:
        """Take in the epochs that the run had before; return whether the pruner ends it after them."""
        ends = False
        for row in read_metrics(run.metrics).rows:
            value = row.get(self.metric)
            if value is None:
                continue
            if is_better(value, self.best, self.study.sweep.maximizes):
                self.best = float(value)
            ends = self.study.sweep.prunes and self.study.report(self.claim, int(row["epoch"] or 0), float(value))
        return ends

    def compiling(self, kernel: str, done: int, total: int) -> None:
        """Pass on."""
        self.watcher.compiling(self.claim.number, kernel, done, total)

    def epoch(self, result: EpochResult) -> None:
        """Report the epoch's value; end the training where it promises too little."""
        value = result.row.get(self.metric)
        if value is None or result.partial:
            return
        value, epoch = float(value), int(result.row["epoch"])
        if is_better(value, self.best, self.study.sweep.maximizes):
            self.best = value
        self.watcher.epoch(self.claim.number, epoch, value, self.best)
        if self.study.sweep.prunes and self.study.report(self.claim, epoch, value) and self.stopper.trainer is not None:
            self.stopper.trainer.stop(PRUNED)
