"""TensorBoard events in the run directory itself, so that `tensorboard --logdir runs` shows each run by its name."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dlrun.errors import MissingExtra
from dlrun.runs.files import writing


class EventWriter:
    """Writes scalars under the names of metrics.csv, at the global step.

    tensorboardX's SummaryWriter is not used: it writes from a thread, whose failure (a full disk) stops nobody until
    its queue is full and the next write waits for ever; nor does its flush wait for the queue. The parts beneath it
    write at once.
    """

    def __init__(self, directory: Path, resumed_at: int | None = None) -> None:
        """Opens a new event file; `resumed_at` hides what an earlier file of the run has after that step.

        Raises: MissingExtra without tensorboardX; RunError when the directory can't be written.
        """
        try:
            from tensorboardX.event_file_writer import EventsWriter
            from tensorboardX.proto.event_pb2 import Event, SessionLog
        except ImportError:
            raise MissingExtra("tensorboardX", "tensorboard", "writing TensorBoard events") from None
        self._directory = directory
        self._event: Any = Event
        with writing(directory):
            # The file's name has whole seconds only; the rest keeps two quick starts apart.
            suffix = f".{os.getpid()}.{time.monotonic_ns()}"
            self._writer: Any = EventsWriter(str(directory / "events"), suffix)
            if resumed_at is not None:
                start = SessionLog(status=SessionLog.START)
                self._write(resumed_at + 1, session_log=start)
            self._writer.flush()

    def write(self, step: int, values: Mapping[str, float | int | None]) -> None:
        """Writes a row of values and hands them to the system; None and NaN are left out.

        Raises: RunError when the disk is full.
        """
        from tensorboardX.proto.summary_pb2 import Summary

        known = {name: value for name, value in values.items() if value is not None and not math.isnan(value)}
        summary = Summary(value=[Summary.Value(tag=name, simple_value=value) for name, value in known.items()])
        with writing(self._directory):
            self._write(step, summary=summary)
            self._writer.flush()

    def close(self) -> None:
        """Closes the file. Raises: RunError when the disk is full."""
        with writing(self._directory):
            self._writer.close()

    def __enter__(self) -> EventWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self, step: int, **content: Any) -> None:
        self._writer.write_event(self._event(wall_time=time.time(), step=step, **content))


def open_events(directory: Path, note: Callable[[str], None], resumed_at: int | None = None) -> EventWriter | None:
    """An EventWriter, or None after a note when tensorboardX isn't installed. Raises: RunError."""
    try:
        return EventWriter(directory, resumed_at)
    except MissingExtra as missing:
        note(f"no TensorBoard events: {missing.message}; {missing.help} installs it")
        return None
