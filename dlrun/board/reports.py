"""Reports that were asked for: made one at a time in processes of their own, kept until the run's files change."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from dlrun.board.finding import Found
from dlrun.board.reading import Stamp, stamp_of
from dlrun.runs.directory import RunDirectory
from dlrun.sweep.folder import SweepFolder

State = Literal["waiting", "made", "failed"]
FRESH = 10.0
"""Seconds for which a report counts as new, though the run trains on: else one of a quick run would never be shown."""


@dataclass
class Report:
    """A report that is being made, is there as a file, or couldn't be made for a reason."""

    stamp: Stamp
    file: Path
    state: State = "waiting"
    problem: str = ""
    begun: float = field(default_factory=time.monotonic)
    ended: float = 0.0

    @property
    def seconds(self) -> float:
        """How long it took, or takes."""
        return (self.ended or time.monotonic()) - self.begun


class ReportShelf:
    """The reports of one board; safe for many threads. They lie in a folder of their own: runs are only read."""

    def __init__(self, library: str) -> None:
        self.library = library
        self._folder = tempfile.TemporaryDirectory(prefix="dlrun-board-", ignore_cleanup_errors=True)
        self._reports: dict[str, Report] = {}
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._closed = False

    def ask(self, found: Found) -> Report:
        """The report of a run or a sweep; the first to ask for one has it made."""
        stamp = _stamp(found)
        with self._lock:
            known = self._reports.get(found.id)
            if known is not None and (known.state == "waiting" or known.stamp == stamp or _is_fresh(known)):
                return known
            name = hashlib.sha256(found.id.encode()).hexdigest()[:24]
            report = self._reports[found.id] = Report(stamp, Path(self._folder.name) / f"{name}.html")
            threading.Thread(target=self._make, args=(found.path, report), daemon=True).start()
            return report

    def close(self) -> None:
        """End what is being made, and remove the files."""
        with self._lock:
            self._closed = True
            if self._process is not None:
                self._process.kill()
        with self._turn:
            self._folder.cleanup()

    def _make(self, folder: Path, report: Report) -> None:
        command = [sys.executable, "-m", "dlrun.board.worker", str(folder.resolve()), str(report.file), self.library]
        with self._turn:
            with self._lock:
                if self._closed:
                    return
                # A session of its own: Ctrl-C is for the board, which ends its worker itself.
                self._process = process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                    errors="replace", start_new_session=True,
                )  # fmt: skip
            said = process.communicate()[1].strip()
            with self._lock:
                self._process = None
                report.ended = time.monotonic()
                report.problem = _last_line(said) if process.returncode else ""
                report.state = "failed" if process.returncode else "made"


def _is_fresh(report: Report) -> bool:
    return report.state == "made" and time.monotonic() - report.ended < FRESH


def _stamp(found: Found) -> Stamp:
    """What changes with anything that a report shows."""
    if found.kind == "sweep":
        sweep = SweepFolder(found.path)
        return stamp_of([sweep.journal, sweep.record, sweep.definition])
    run = RunDirectory(found.path)
    return stamp_of([run.record, run.metrics, run.resolved_config, run.best, run.last])


def _last_line(said: str) -> str:
    """What a process said at its end: the error; of a bug's traceback too."""
    lines = [line for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else "the process that makes reports was killed"
