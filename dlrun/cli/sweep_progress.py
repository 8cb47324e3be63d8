"""What a sweep shows: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dlrun.cli.output import measure, mute, say
from dlrun.sweep.watching import Watcher, is_better

if TYPE_CHECKING:
    from dlrun.sweep.study import Study

WORDS = {"finished": "finished", "pruned": "pruned", "failed": "FAILED", "stopped": "stopped"}
LAST_SHOWN = 6


@dataclass
class Row:
    """A trial as the table shows it."""

    number: int
    parameters: str
    epochs: int
    epoch: int = 0
    value: float = math.nan
    best: float = math.nan
    how: str = "running"
    text: str = ""


class PlainSweep(Watcher):
    """Lines for logs, pipes and files."""

    def __init__(self, metric: str, maximizes: bool, budget: int, done: int, best: float, jobs: int = 1) -> None:
        self.metric, self.maximizes, self.budget, self.done, self.best = metric, maximizes, budget, done, best
        self.jobs = jobs
        self.rows: dict[int, Row] = {}

    def __enter__(self) -> PlainSweep:
        if self.done:
            self._line(f"{self.done} of {self.budget} trials were done before")
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nothing behind: there is nothing but lines."""

    def _line(self, text: str) -> None:
        say(text)

    def started(self, trial: int, key: str, parameters: str, epochs: int) -> None:
        """Print what is tried."""
        self.rows[trial] = Row(trial, parameters, epochs)
        self._line(f"trial {trial}: {parameters}")

    def compiling(self, trial: int, kernel: str, done: int, total: int) -> None:
        """Print what is being compiled."""
        self._line(f"compiling kernel {done + 1} of {total}, once for this machine: {kernel}")

    def epoch(self, trial: int, epoch: int, value: float, best: float) -> None:
        """Keep the epoch's value."""
        row = self.rows.get(trial)
        if row is not None:
            row.epoch, row.value, row.best = epoch, value, best

    def ended(self, trial: int, how: str, value: float | None, epoch: int | None, reason: str) -> None:
        """Print what a trial came to."""
        row = self.rows.setdefault(trial, Row(trial, "", 0))
        row.how, row.text = how, reason
        self.done += how in ("finished", "pruned")
        if value is not None and not math.isnan(value):
            row.value = row.best = value
            if how == "finished" and is_better(value, self.best, self.maximizes):
                self.best = value
        self._line(self._ending(row, value, epoch))

    def _ending(self, row: Row, value: float | None, epoch: int | None) -> str:
        parts = [f"trial {row.number} {WORDS[row.how]}"]
        if row.how == "failed":
            parts.append(f"({row.parameters}): {row.text}")
        elif value is not None and not math.isnan(value):
            parts.append(f"{self.metric} {measure(value)} in epoch {epoch}")
        best = "" if math.isnan(self.best) else f", best {measure(self.best)}"
        return "  ".join(parts) + f"  [{self.done}/{self.budget}{best}]"

    def waiting(self) -> None:
        """Print why nothing happens."""
        if self.jobs == 1:
            self._line("other processes work on all that is left: waiting for them")

    def note(self, text: str) -> None:
        """Print a note that stands out."""
        self._line(f"NOTE: {text}")


class LiveSweep(PlainSweep):
    """A table of the trials that run and those that ended last."""

    def __init__(self, metric: str, maximizes: bool, budget: int, done: int, best: float, jobs: int = 1) -> None:
        super().__init__(metric, maximizes, budget, done, best, jobs)
        from rich.console import Console
        from rich.live import Live

        self.console = Console(highlight=False)
        self.live = Live(console=self.console, get_renderable=self._table, refresh_per_second=5, transient=True)

    def __enter__(self) -> LiveSweep:
        self.live.start()
        super().__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.live.stop()
        except OSError:
            mute()

    def _line(self, text: str) -> None:
        """Say only what the table doesn't."""
        if text.startswith(("NOTE", "other")) or "FAILED" in text or "before" in text:
            try:
                self.console.print(text, markup=False, style="bold yellow" if "FAILED" in text else "")
            except OSError:
                mute()

    def compiling(self, trial: int, kernel: str, done: int, total: int) -> None:
        """Show the compilation in the trial's row."""
        row = self.rows.setdefault(trial, Row(trial, "", 0))
        row.text = f"compiling {done + 1}/{total} {kernel}"

    def epoch(self, trial: int, epoch: int, value: float, best: float) -> None:
        """Show the epoch in the trial's row."""
        super().epoch(trial, epoch, value, best)
        if trial in self.rows:
            self.rows[trial].text = ""

    def _table(self) -> Any:
        from rich.box import SIMPLE_HEAD
        from rich.table import Table

        best = "" if math.isnan(self.best) else f"   best {self.metric} {measure(self.best)}"
        title = f"{self.done} of {self.budget} trials{best}"
        table = Table(box=SIMPLE_HEAD, title=title, title_justify="left")
        for name in ("trial", "parameters", "epoch", self.metric, "best epoch", ""):
            table.add_column(name, overflow="fold")
        ended = [row for row in self.rows.values() if row.how != "running"][-LAST_SHOWN:]
        for row in [*ended, *(row for row in self.rows.values() if row.how == "running")]:
            style = {"running": "cyan", "failed": "red", "pruned": "dim"}.get(row.how, "")
            cells = (row.number, row.parameters, f"{row.epoch}/{row.epochs}", _shown(row.value), _shown(row.best))
            table.add_row(*map(str, cells), row.text if row.how == "running" else row.how, style=style)
        return table


def _shown(value: float) -> str:
    return "" if math.isnan(value) else measure(value)


def make_display(study: Study, budget: int, jobs: int) -> PlainSweep:
    """Return the display that fits standard output, with what was done before."""
    finished = [float(trial.value or 0) for trial in study.trials() if trial.state == study.states.COMPLETE]
    done = sum(trial.state in (study.states.COMPLETE, study.states.PRUNED) for trial in study.trials())
    best = (max if study.maximizes else min)(finished) if finished else math.nan
    kind = LiveSweep if sys.stdout.isatty() else PlainSweep
    return kind(study.sweep.settings.metric or "", study.maximizes, budget, done, best, jobs)
