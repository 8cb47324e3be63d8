"""Keeps the run directory up to date while a training goes on."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from dlrun.config.run_config import RunConfig
from dlrun.data.dataset import Dataset
from dlrun.errors import RunError
from dlrun.executor.executor import Array
from dlrun.runs.checkpoint import save_checkpoint
from dlrun.runs.directory import RunDirectory
from dlrun.runs.files import writing
from dlrun.runs.metrics_csv import append_metrics, drop_after_step, read_metrics
from dlrun.runs.plots import draw_curves, noting
from dlrun.runs.record import DataState, Status, now, read_record, update_record
from dlrun.runs.tensorboard import EventWriter, open_events
from dlrun.runs.train_log import TrainLog
from dlrun.training.checkpointing import training_content
from dlrun.training.events import EpochResult, Listener, Start
from dlrun.training.tracking import Follower
from dlrun.training.trainer import Trainer

SECONDS_BETWEEN_WRITES = 1.0
"""Epochs of milliseconds shouldn't wait for the disk: a kill loses at most so much training, and no exactness."""


class Recorder(Listener):
    """Writes metrics, events, log, record and checkpoints of one run. Raises: RunError when one can't be written."""

    def __init__(self, run: RunDirectory, console: Listener, draws: bool = True) -> None:
        self.run, self.console, self.draws = run, console, draws
        self.log = TrainLog(run.log)
        self.events: EventWriter | None = None
        self.events_opened = False
        self.follower: Follower | None = None
        self.resumed_at_step: int | None = None
        self.compile_seconds = 0.0
        self._checkpoints: dict[Path, tuple[dict[str, Array], dict[str, Any]]] = {}
        self._changes: dict[str, Any] = {}
        self._written = time.monotonic()
        self._is_due = True
        """Whether the checkpoints of the epoch that has just ended are written at once."""

    def track(self, config: RunConfig) -> None:
        """Begin to send the run to the config's tracker. Raises: TrackingError, MissingExtra."""
        if config.tracking is not None:
            self.follower = Follower(config, config.tracking, self.run, self.note)

    def loaded(self, dataset: Dataset) -> None:
        """Record which data the run uses."""
        if self.follower is not None:
            self.follower.tag({"dlrun.data_fingerprint": dataset.fingerprint, "dlrun.data_variant": dataset.variant})
        data = DataState(fingerprint=dataset.fingerprint, variant=dataset.variant, notes=dataset.notes)
        update_record(self.run.record, data=data, notes=dataset.notes)

    def start(self, start: Start) -> None:
        """Record what is trained."""
        update_record(
            self.run.record, parameters=start.parameters, threads=start.threads, compile_seconds=self.compile_seconds
        )
        self.log.write(
            f"training {start.parameters:,} parameters on {start.training_rows:,} rows, "
            f"{start.steps_per_epoch} steps an epoch, "
            f"epochs {start.first_epoch + 1} to {start.epochs}, {start.threads} threads"
        )
        for note in start.notes:
            self.log.write(f"note: {note}")

    def compiling(self, kernel: str, done: int, total: int) -> None:
        """Log a compilation."""
        self.log.write(f"compiling kernel {kernel} ({done + 1} of {total})")

    def epoch(self, result: EpochResult) -> None:
        """Append the epoch's row."""
        row = dict(result.row)
        append_metrics(self.run.metrics, row)
        if not self.events_opened:  # here rather than at the start: the import takes a while
            self.events_opened = True
            self.events = open_events(self.run.path, self.note, self.resumed_at_step)
        if self.events is not None:
            self.events.write(
                int(row["step"]), {name: value for name, value in row.items() if name not in ("epoch", "step")}
            )
        if self.follower is not None:
            self.follower.row(row)
        self.log.write(", ".join(f"{name} {value:.6g}" for name, value in row.items()))
        changes: dict[str, Any] = {"last_metrics": _measures(row), "epochs": row["epoch"], "step": row["step"]}
        if result.is_best:
            changes |= {"best_epoch": row["epoch"], "best_metrics": _measures(row)}
        self._changes |= changes
        self._is_due = time.monotonic() - self._written >= SECONDS_BETWEEN_WRITES
        if self._is_due:
            self._write()

    def note(self, text: str) -> None:
        """Log a note and show it."""
        self.log.write(f"note: {text}")
        self.console.note(text)

    def save(self, trainer: Trainer, kind: str) -> None:
        """Write a checkpoint: "last", "best" or "numbered"; "last" and "best" of very short epochs wait a little.

        What waits is copied; what is written at once isn't, so that a checkpoint needs no memory of its own.
        """
        tensors, metadata = training_content(trainer)
        if kind == "numbered":
            save_checkpoint(self.run.numbered_checkpoint(trainer.state.epoch), tensors, metadata)
            return
        path = self.run.last if kind == "last" else self.run.best
        if self._is_due:
            save_checkpoint(path, tensors, metadata)
            self._checkpoints.pop(path, None)
        else:
            self._checkpoints[path] = {name: array.copy() for name, array in tensors.items()}, metadata
        if kind == "last":
            state = trainer.state
            self._changes |= {
                "step": state.step, "epochs": state.epoch, "train_seconds": state.train_seconds,
                "checkpoint": str(path.relative_to(self.run.path)),
            }  # fmt: skip
            if self._is_due:
                self._write()

    def _write(self) -> None:
        """Write what has waited: the best checkpoint, the last, which knows of it, and the record that names both."""
        for path in (self.run.best, self.run.last):
            if path not in self._checkpoints:
                continue
            save_checkpoint(path, *self._checkpoints[path])
            del self._checkpoints[path]
        if self._changes:
            update_record(self.run.record, **self._changes)
            self._changes = {}
        self._written = time.monotonic()

    def resumed_at(self, step: int) -> None:
        """Forget the rows of epochs that will be trained again. Raises: RunError when metrics.csv is damaged."""
        self.resumed_at_step = step
        try:
            drop_after_step(self.run.metrics, step)
        except RunError as error:
            raise RunError(error.message, f"mend or remove {self.run.metrics}, then resume again") from error
        if self.follower is not None:
            self.follower.resumed_at(step)

    def end(self, status: Status, reason: str, keep_last: bool = True) -> None:
        """Record how the training ended. Without `keep_last` a checkpoint of an earlier stop is removed."""
        self._write()
        if not keep_last:
            self.run.last.unlink(missing_ok=True)
        update_record(self.run.record, status=status, reason=reason, ended=now())
        self.log.write(f"{status}: {reason}")
        self._close_events()
        if self.draws:
            self._draw_curves()
        if self.follower is not None:
            self.follower.end(status, reason)

    def _draw_curves(self) -> None:
        """Draw the epochs' curves; a run that couldn't draw them is none the worse."""
        try:
            history = read_metrics(self.run.metrics)
            if history.rows:
                with noting(self.note), writing(self.run.plots):
                    self.run.plots.mkdir(exist_ok=True)
                    best = read_record(self.run.record).best_epoch
                    draw_curves(self.run.plots / "curves.png", history, self.run.name, best)
        except RunError as error:
            self.note(f"no curves: {error.message}")

    def fail(self, status: Status, reason: str) -> None:
        """Record as much of a failure as can be written: its own error is told, not that of a full disk after it."""
        for write in (
            self._write,
            lambda: update_record(self.run.record, status=status, reason=reason, ended=now()),
            lambda: self.log.write(f"{status}: {reason}"),
            self._close_events,
            lambda: self.follower.end(status, reason) if self.follower is not None else None,
        ):
            with suppress(RunError):
                write()

    def _close_events(self) -> None:
        if self.events is not None:
            self.events.close()
            self.events = None


def _measures(row: dict[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in row.items() if "/" in name}
