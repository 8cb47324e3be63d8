"""The training loop: epochs as single calls of the executor, validation, what is best, when to stop."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlrun.executor.executor import Array, Executor
from dlrun.metrics import scalars
from dlrun.schedules.reduce_on_plateau import Plateau, ReduceOnPlateau
from dlrun.training.diagnose import explain_non_finite, non_finite_weights
from dlrun.training.events import EpochResult, Listener, Progress, Start
from dlrun.training.monitors import best_monitor, early_stopping_monitor
from dlrun.training.session import Session
from dlrun.training.state import TrainingState, reason_to_end
from dlrun.training.steps import mean_loss, mean_parts, step_table

Save = Callable[["Trainer", str], None]


@dataclass(frozen=True)
class Ending:
    """Why a training ended: "finished", "early_stopping", "max_steps", "max_time" or "interrupted"."""

    reason: str

    @property
    def is_done(self) -> bool:
        """Whether there is nothing left to train."""
        return self.reason in ("finished", "early_stopping", "max_steps")


class Trainer:
    """Trains a session's network from a state to its end, or to where it is stopped.

    `save(trainer, kind)` is called with "last", "best" or "numbered" whenever a checkpoint is due.
    """

    def __init__(self, session: Session, save: Save, listener: Listener) -> None:
        self.session, self.save, self.listener = session, save, listener
        self.config = session.config
        self.executor: Executor = session.start_training()
        self.state = TrainingState()
        self.stop_reason: str | None = None
        self._split = session.split("train")
        drop_last = self.config.training.drop_last
        self.table = step_table(0, session.sampling.rows, session.batch_size, drop_last, self._group)
        self._validates = "validation" in session.dataset.splits
        self._best = best_monitor(self.config, self._validates)
        self._early = early_stopping_monitor(self.config)

    @property
    def _group(self) -> int:
        return self.config.optimizer.gradient_accumulation_steps or 1

    @property
    def steps_per_epoch(self) -> int:
        """Steps in an epoch."""
        return len(self.table)

    @property
    def total_steps(self) -> int:
        """Steps in the whole training as the config has it."""
        training = self.config.training
        steps = training.epochs * self.steps_per_epoch
        return min(steps, training.max_steps or steps)

    @property
    def rows_done(self) -> int:
        """Rows of the running epoch that its finished steps have used."""
        if not self.state.step_of_epoch:
            return 0
        last = self.table[self.state.step_of_epoch - 1]
        return int(last[2] + last[0])

    def stop(self, reason: str) -> None:
        """Ask the training to end after the current step."""
        self.stop_reason = self.stop_reason or reason
        self.executor.stop()

    def run(self) -> Ending:
        """Train until the end. Raises NonFiniteError when the loss or a weight is NaN or infinite."""
        self._announce()
        while not (reason := reason_to_end(self.state, self.config.training) or self.stop_reason):
            self._run_epoch()
            if self.state.step_of_epoch == self.steps_per_epoch:
                self._finish_epoch()
        ending = Ending(reason)
        if self.state.step_of_epoch:
            self._refuse_non_finite_weights()
            if ending.is_done:
                self._report_epoch(partial=True)
        if self.state.step_of_epoch or not (ending.is_done or self.config.training.checkpoints.last):
            self.save(self, "last")
        return ending

    def _refuse_non_finite_weights(self) -> None:
        """Raise NonFiniteError rather than let a checkpoint hold NaN: the loss shows it one step too late."""
        for name, array in self.session.variables().items():
            if not np.isfinite(array).all():
                raise non_finite_weights(name, self.state)

    def _announce(self) -> None:
        session = self.session
        validation = session.dataset.splits.get("validation")
        parameters = sum(node.parameters for node in session.graph.nodes.values())
        self.listener.start(
            Start(
                parameters, session.sampling.rows, validation.rows if validation else 0, self.steps_per_epoch,
                self.config.training.epochs, self.state.epoch, session.threads, session.notes,
            )
        )  # fmt: skip

    def learning_rates(self, steps: Array) -> Array:
        """Return the learning rate of each global step."""
        schedule = self.config.schedule
        rates = schedule.rates(steps, self.config.optimizer.learning_rate, self.steps_per_epoch, self.total_steps)
        if isinstance(schedule, ReduceOnPlateau) and self.state.plateau is not None:
            rates = schedule.apply(rates, Plateau.from_json(self.state.plateau))
        return rates

    def _scalars(self, table: Array) -> Array:
        """Return what the optimizer needs of each step: it counts updates, the schedule counts steps."""
        per_epoch = -(-self.steps_per_epoch // self._group)
        number = table[:, 1] - self.state.epoch * self.steps_per_epoch
        updates = self.state.epoch * per_epoch + number // self._group
        return self.config.optimizer.scalars(updates, self.learning_rates(table[:, 1]))

    def _run_epoch(self) -> None:
        """Run the rest of the running epoch, or as much of it as there is time for."""
        state = self.state
        self.session.draw_negatives(state.epoch)
        if state.step_of_epoch == 0 and self.session.is_stateful:
            self.executor.forget()
        self.executor.data["order"][:] = self.session.epoch_order(state.epoch)
        table = self.table.copy()
        table[:, 1] += state.epoch * self.steps_per_epoch
        table = table[state.step_of_epoch :][: max(0, self.total_steps - state.step)]
        began = time.perf_counter()
        outcome = self.executor.run(table, self._scalars(table), self._poll(table, began))
        seconds = time.perf_counter() - began
        self.state = state.changed(
            step=state.step + outcome.steps, step_of_epoch=state.step_of_epoch + outcome.steps,
            seconds=state.seconds + seconds, train_seconds=state.train_seconds + seconds,
        )  # fmt: skip
        if not (outcome.finished or outcome.stopped):
            raise explain_non_finite(self.session, table[outcome.steps], self.state)

    def _poll(self, table: Array, began: float) -> Callable[[int], None]:
        """Return what is called now and then during an epoch: reports progress, ends it when the time is up."""
        rates = self.learning_rates(table[:, 1])
        limit = self.config.training.max_time

        def poll(done: int) -> None:
            if self.stop_reason:
                self.executor.stop()
            if limit is not None and self.state.train_seconds + time.perf_counter() - began > limit:
                self.stop("max_time")
            if done == 0:
                return
            index = min(done, len(table) - 1)
            seconds = time.perf_counter() - began
            rows = int(table[done - 1, 2] + table[done - 1, 0])
            speed = (rows - int(table[0, 2])) / max(seconds, 1e-9)
            step = self.state.step_of_epoch + done
            left = (self.total_steps - self.state.step - done) * seconds / done
            self.listener.progress(
                Progress(
                    self.state.epoch + 1, self.config.training.epochs, step, self.steps_per_epoch, speed,
                    mean_loss(self.executor, self.table[:step]), float(rates[index]), left,
                )
            )  # fmt: skip

        return poll

    def _finish_epoch(self) -> None:
        """Measure, decide what is best and whether to go on, and write the checkpoints."""
        self._refuse_non_finite_weights()
        training, checkpoints = self.config.training, self.config.training.checkpoints
        row, is_best = self._report_epoch()
        state = self.state
        self._adjust_plateau(row)
        self._watch(row)
        self.state = self.state.changed(epoch=state.epoch + 1, step_of_epoch=0, seconds=0.0)
        restores_best = training.early_stopping is not None and training.early_stopping.restore_best_weights
        if is_best and (checkpoints.best is not None or restores_best):
            self.save(self, "best")
        if checkpoints.every and self.state.epoch % checkpoints.every == 0:
            self.save(self, "numbered")
        if checkpoints.last:
            self.save(self, "last")

    def _report_epoch(self, partial: bool = False) -> tuple[dict[str, Any], bool]:
        """Measure the running epoch; report its row; note whether it is the best. A part of an epoch never is."""
        row = self._measure(partial)
        is_best = False
        if (
            not partial
            and self._best is not None
            and self._best.name in row
            and self._best.is_better(row[self._best.name], self.state.best)
        ):
            is_best = True
            self.state = self.state.changed(best=row[self._best.name], best_epoch=row["epoch"], best_row=row)
        self.listener.epoch(EpochResult(row, is_best, partial))
        return row, is_best

    def _measure(self, partial: bool) -> dict[str, Any]:
        """Return the epoch's row: training metrics as collected in the steps, validation ones with the weights now."""
        state, training = self.state, self.config.training
        rows = self.rows_done
        rate = float(self.learning_rates(np.array([state.step - 1]))[0])
        row: dict[str, Any] = {
            "epoch": state.epoch + 1, "step": state.step, "seconds": state.seconds,
            "samples_per_second": rows / max(state.seconds, 1e-9), "learning_rate": rate,
            "train/loss": mean_loss(self.executor, self.table[: state.step_of_epoch]),
        }  # fmt: skip
        parts = mean_parts(self.executor, rows, self.session.parts)
        row |= {f"train/{name}": value for name, value in parts.items()}
        if self.session.measures_training:
            index = self.executor.data["order"][:rows]
            predictions = self.session.all_predictions(self.executor, rows)
            measured = self.session.measure_all(self._split, index, predictions)
            row |= {f"train/{name}": value for name, value in scalars(measured).items()}
        due = (state.epoch + 1) % training.validate_every == 0 or state.epoch + 1 == training.epochs or partial
        if self._validates and due:
            self.listener.validating("validation")
            measured, _ = self.session.evaluate_all("validation")
            row |= {f"validation/{name}": value for name, value in scalars(measured).items()}
        return row

    def _adjust_plateau(self, row: dict[str, Any]) -> None:
        schedule = self.config.schedule
        if isinstance(schedule, ReduceOnPlateau) and schedule.monitor in row:
            before = Plateau.from_json(self.state.plateau) if self.state.plateau is not None else schedule.start()
            after = schedule.update(before, float(row[schedule.monitor]))
            self.state = self.state.changed(plateau=after.to_json())

    def _watch(self, row: dict[str, Any]) -> None:
        """Let early stopping see the epoch."""
        early = self.config.training.early_stopping
        if (
            early is None
            or self._early is None
            or self._early.name not in row
            or row["epoch"] <= early.start_from_epoch
        ):
            return
        value = float(row[self._early.name])
        if self._early.is_better(value, self.state.early_best):
            self.state = self.state.changed(early_best=value, waited=0)
        else:
            self.state = self.state.changed(waited=self.state.waited + 1)
