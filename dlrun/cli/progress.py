"""What a training shows: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dlrun.cli.output import measure, mute, say
from dlrun.training.events import EpochResult, Listener, Progress, Start

HIDDEN = ("epoch", "step", "seconds", "samples_per_second", "learning_rate")
SECONDS_BETWEEN_LINES = 10.0


def epoch_line(result: EpochResult, epochs: int) -> str:
    """Return an epoch's results in a line."""
    row = result.row
    parts = [f"epoch {row['epoch']}/{epochs}", f"{row['seconds']:.2f} s", f"{row['samples_per_second']:,.0f}/s"]
    parts += [f"{name} {measure(float(value))}" for name, value in row.items() if name not in HIDDEN]
    if result.is_best:
        parts.append("best")
    if result.partial:
        parts.append("not whole")
    return "  ".join(parts)


def clock(seconds: float) -> str:
    """Return a duration as 1:02:03 or 2:03."""
    if not math.isfinite(seconds):
        return "-:--"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class Aside(Listener):
    """Tells of compilations and notes on standard error, where they don't mix with a command's results."""

    def compiling(self, kernel: str, done: int, total: int) -> None:
        """Print what is being compiled."""
        sys.stderr.write(f"compiling kernel {done + 1} of {total}, once for this machine: {kernel}\n")

    def note(self, text: str) -> None:
        """Print a note."""
        sys.stderr.write(f"NOTE: {text}\n")


class PlainDisplay(Listener):
    """Lines for logs, pipes and files."""

    def __init__(self) -> None:
        self.epochs = 0
        self._last = time.monotonic()

    def __enter__(self) -> PlainDisplay:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nothing behind: there is nothing but lines."""

    def _line(self, text: str) -> None:
        say(text)

    def compiling(self, kernel: str, done: int, total: int) -> None:
        """Print what is being compiled."""
        self._line(f"compiling kernel {done + 1} of {total}, once for this machine: {kernel}")

    def start(self, start: Start) -> None:
        """Print what is trained."""
        self.epochs = start.epochs
        for note in start.notes:
            self.note(note)
        self._line(
            f"training {start.parameters:,} parameters on {start.training_rows:,} rows "
            f"(validation {start.validation_rows:,}), {start.steps_per_epoch} steps an epoch, {start.threads} threads"
        )

    def progress(self, progress: Progress) -> None:
        """Print a line now and then."""
        if time.monotonic() - self._last >= SECONDS_BETWEEN_LINES:
            self._last = time.monotonic()
            self._line(
                f"epoch {progress.epoch}/{progress.epochs}  step {progress.step}/{progress.steps}  "
                f"loss {measure(progress.loss)}  {progress.samples_per_second:,.0f}/s  "
                f"learning rate {progress.learning_rate:.3g}  {clock(progress.seconds_left)} left"
            )

    def epoch(self, result: EpochResult) -> None:
        """Print an epoch's results."""
        self._last = time.monotonic()
        self._line(epoch_line(result, self.epochs))

    def note(self, text: str) -> None:
        """Print a note that stands out."""
        self._line(f"NOTE: {text}")


class LiveDisplay(PlainDisplay):
    """A bar for the running epoch below the lines of those that are over."""

    def __init__(self) -> None:
        super().__init__()
        from rich.console import Console
        from rich.progress import BarColumn, SpinnerColumn, TextColumn
        from rich.progress import Progress as Bars

        self.console = Console(highlight=False)
        self.bars = Bars(
            SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=None, complete_style="cyan"),
            TextColumn("{task.fields[text]}"), console=self.console, transient=True, expand=True,
        )  # fmt: skip
        self.task: Any = None

    def __enter__(self) -> LiveDisplay:
        self.bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._patience():
            self.bars.stop()

    @contextmanager
    def _patience(self) -> Iterator[None]:
        """Let a training survive its terminal."""
        try:
            yield
        except OSError:
            mute()

    def _line(self, text: str, style: str = "") -> None:
        from rich.text import Text

        with self._patience():
            self.console.print(Text(text, style=style))

    def _show(self, description: str, done: float, total: float, text: str) -> None:
        with self._patience():
            if self.task is None:
                self.task = self.bars.add_task(description, total=total, text=text)
            self.bars.update(self.task, description=description, completed=done, total=total, text=text)

    def compiling(self, kernel: str, done: int, total: int) -> None:
        """Show the compilation as a bar."""
        self._show("compiling, once for this machine", done, total, f"{done + 1}/{total} {kernel}")

    def progress(self, progress: Progress) -> None:
        """Move the bar."""
        text = (
            f"{progress.step}/{progress.steps}  {progress.samples_per_second:,.0f}/s  loss {measure(progress.loss)}  "
            f"lr {progress.learning_rate:.2g}  {clock(progress.seconds_left)} left"
        )
        self._show(f"epoch {progress.epoch}/{progress.epochs}", progress.step, progress.steps, text)

    def validating(self, split: str) -> None:
        """Say so."""
        self._show(f"evaluating {split}", 0, 1, "")

    def note(self, text: str) -> None:
        """Print a note that stands out."""
        self._line(f"NOTE: {text}", style="bold yellow")
