"""TensorBoard events in the run directory itself, so that `tensorboard --logdir runs` shows each run by its name."""

from __future__ import annotations

import math
import os
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dlrun.errors import MissingExtra
from dlrun.runs.files import writing


class EventWriter:
    """Writes scalars under the names of metrics.csv, at the global step.

    TensorBoard's own record writer is used, and none of the SummaryWriters: those write from a thread, whose failure
    (a full disk) stops nobody until its queue is full, and tensorboardX imports the whole of PyTorch where that is
    installed (1.6 s against 0.3 s).
    """

    def __init__(self, directory: Path, resumed_at: int | None = None) -> None:
        """Opens a new event file; `resumed_at` hides what an earlier file of the run has after that step.

        Raises: MissingExtra without tensorboard; RunError when the directory can't be written.
        """
        try:
            from tensorboard.compat.proto.event_pb2 import Event, SessionLog
            from tensorboard.summary.writer.record_writer import RecordWriter
        except ImportError:
            raise MissingExtra("tensorboard", "tensorboard", "writing TensorBoard events") from None
        self._directory = directory
        self._event: Any = Event
        # The time in whole seconds comes first, as TensorBoard expects; the rest keeps two quick starts apart.
        name = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}.{time.monotonic_ns()}"
        with writing(directory):
            file = open(directory / name, "wb", buffering=0)  # noqa: SIM115 - closed by close()
            self._writer: Any = RecordWriter(file)
            try:
                self._write(0, file_version="brain.Event:2")
                if resumed_at is not None:
                    start = SessionLog(status=SessionLog.START)
                    self._write(resumed_at + 1, session_log=start)
            except OSError:
                file.close()
                raise

    def write(self, step: int, values: Mapping[str, float | int | None]) -> None:
        """Writes a row of values and hands them to the system; None and NaN are left out.

        Raises: RunError when the disk is full.
        """
        from tensorboard.compat.proto.summary_pb2 import Summary

        known = {name: value for name, value in values.items() if value is not None and not math.isnan(value)}
        summary = Summary(value=[Summary.Value(tag=name, simple_value=value) for name, value in known.items()])
        with writing(self._directory):
            self._write(step, summary=summary)

    def close(self) -> None:
        """Closes the file. Raises: RunError when the disk is full."""
        with writing(self._directory):
            self._writer.close()

    def __enter__(self) -> EventWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self, step: int, **content: Any) -> None:
        event = self._event(wall_time=time.time(), step=step, **content)
        self._writer.write(event.SerializeToString())


def open_events(directory: Path, note: Callable[[str], None], resumed_at: int | None = None) -> EventWriter | None:
    """An EventWriter, or None after a note when tensorboard isn't installed. Raises: RunError."""
    try:
        return EventWriter(directory, resumed_at)
    except MissingExtra as missing:
        note(f"no TensorBoard events: {missing.message}; {missing.help} installs it")
        return None
