"""A run is followed from elsewhere: what is sent to its tracker, and what happens when that doesn't answer."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from dlrun import __version__
from dlrun.config.resolve import flow, plain_spec
from dlrun.config.run_config import RunConfig
from dlrun.errors import RunError, TrackingError
from dlrun.runs.directory import RunDirectory
from dlrun.runs.files import write_text
from dlrun.runs.metrics_csv import read_metrics
from dlrun.tracking import RunFacts, Tracker
from dlrun.tracking.base import Outcome, Point

SECONDS_BETWEEN_SENDINGS = 1.0
"""Epochs of milliseconds shouldn't wait for a server: theirs are sent together."""
SECONDS_OF_PATIENCE = 30.0
"""How long a tracker that failed is left alone: each attempt may take seconds from the training."""
FILE = "tracking.json"
NOT_PARAMETERS = ("name", "tracking", "sweep")


class Follower:
    """Sends one run to its tracker. Where that fails midway, the training goes on and what failed is sent later."""

    def __init__(self, config: RunConfig, tracker: Tracker, run: RunDirectory, note: Callable[[str], None]) -> None:
        """Begin the run in the tracker, or go on with it. Raises: TrackingError, MissingExtra."""
        self.tracker, self.run, self.note = tracker, run, note
        self._place = {
            key: value for key, value in tracker.model_dump().items() if key in ("type", "uri", "experiment")
        }
        known = _read(run.path / FILE)
        goes_on = known.get("place") == self._place
        facts = RunFacts(_name(run), config.name, parameters_of(config), _tags(run))
        self._sender = tracker.start(facts, known.get("id") if goes_on else None)
        self._sent = int(known.get("step", 0)) if self._sender.id == known.get("id") else 0
        self._points: list[Point] = []
        self._more_tags: dict[str, str] = {}
        self._last = time.monotonic()
        self._fails_since: float | None = None
        for text in self._sender.notes:
            note(text)
        self._remember()

    def tag(self, tags: Mapping[str, str]) -> None:
        """Send tags, with the next epochs."""
        self._more_tags |= tags

    def resumed_at(self, step: int) -> None:
        """Send again what comes after this step, and what earlier processes of the run didn't get sent."""
        self._sent = min(self._sent, step)
        for row in read_metrics(self.run.metrics).rows:
            if (row["step"] or 0) > self._sent:
                self._points.append(_point(row))

    def row(self, row: Mapping[str, Any]) -> None:
        """Send an epoch's row, unless the last sending was just now."""
        self._points.append(_point(row))
        now = time.monotonic()
        wait = SECONDS_BETWEEN_SENDINGS if self._fails_since is None else SECONDS_OF_PATIENCE
        if now - self._last >= wait:
            self._send()

    def end(self, status: str, reason: str) -> None:
        """Send what is left, the run's files, and how it ended; a failure is told, not raised."""
        self._send(is_last=True)
        if self._fails_since is not None:
            return
        try:
            if self.tracker.artifacts:
                self._sender.upload([*self._files()])
            self._sender.end(_outcome(status, reason))
        except TrackingError as error:
            self.note(f"{error.message}; the run's files or its end aren't there")

    def _send(self, is_last: bool = False) -> None:
        try:
            self._sender.send(self._points, self._more_tags)
        except TrackingError as error:
            if is_last:
                left = f"{len(self._points)} epochs aren't there" if self._points else "the run's end isn't there"
                self.note(
                    f"{error.message}; {left}, but {self.run.metrics} has them all, and resuming the run sends them"
                )
            elif self._fails_since is None:
                self.note(f"{error.message}; the training goes on, and the epochs are sent when it answers again")
            self._fails_since = self._fails_since or time.monotonic()
            self._last = time.monotonic()
            return
        if self._fails_since is not None:
            self.note("the tracker answers again: it has all epochs")
        self._fails_since, self._last = None, time.monotonic()
        self._sent = max([self._sent, *(point.step for point in self._points)])
        self._points, self._more_tags = [], {}
        self._remember()

    def _remember(self) -> None:
        content = {"place": self._place, "id": self._sender.id, "step": self._sent}
        write_text(self.run.path / FILE, json.dumps(content, indent=2) + "\n")

    def _files(self) -> Iterator[tuple[Path, str]]:
        """Yield what there is of the run's files, each with the folder it belongs into."""
        run = self.run
        best = run.best if run.best.exists() else run.last
        files = ((run.config, ""), (run.resolved_config, ""), (run.plan, ""), (run.metrics, ""), (run.log, ""))
        for path, folder in (*files, (run.plots / "curves.png", "plots"), (best, "checkpoints")):
            if path.exists():
                yield path, folder


def parameters_of(config: RunConfig) -> dict[str, str]:
    """Return a config with its defaults as names and texts: model.layers.0.units 64, and so on."""
    values = {name: value for name, value in plain_spec(config).items() if name not in NOT_PARAMETERS}
    return dict(_flat(values, ""))


def _flat(value: Any, name: str) -> Iterator[tuple[str, str]]:
    """Yield the leaves below a value; lists of nothing but scalars are leaves."""
    if isinstance(value, dict) and value:
        for key, inside in value.items():
            yield from _flat(inside, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        for index, inside in enumerate(value):
            yield from _flat(inside, f"{name}.{index}")
    elif value is not None:
        yield name, value if isinstance(value, str) else flow(value)


def _point(row: Mapping[str, Any]) -> Point:
    values = {name: float(value) for name, value in row.items() if name != "step" and value is not None}
    finite = {name: value for name, value in values.items() if math.isfinite(value)}
    return Point(int(row["step"] or 0), time.time_ns() // 1_000_000, finite)


def _outcome(status: str, reason: str) -> Outcome:
    if status == "failed":
        return "failed"
    return "finished" if status == "finished" or reason == "max_time" else "killed"


def _group(run: RunDirectory) -> tuple[str, str] | None:
    """Return what a run is a part of, and its name: a sweep, or a cross-validation."""
    folder = run.path.resolve().parent
    if folder.name == "trials" and (folder.parent / "sweep.json").exists():
        return "sweep", folder.parent.name
    if (folder / "cross_validation.json").exists():
        return "cross_validation", folder.name
    return None


def _name(run: RunDirectory) -> str:
    group = _group(run)
    return run.name if group is None else f"{group[1]}/{run.name}"


def _tags(run: RunDirectory) -> dict[str, str]:
    tags = {"dlrun.version": __version__, "dlrun.run": str(run.path.resolve()), "mlflow.source.name": "dlrun"}
    group = _group(run)
    return tags if group is None else {**tags, f"dlrun.{group[0]}": group[1]}


def _read(path: Path) -> dict[str, Any]:
    """Return what an earlier process of the run left. Raises: RunError when it is damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise RunError(f"{path} is damaged: {error}", "remove it: a new run is begun in the tracker") from error
    return content if isinstance(content, dict) else {}
