"""MLflow, through its own client: a server, a database, or a folder."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from dlrun.errors import MissingExtra, TrackingError
from dlrun.tracking.base import Outcome, Point, RunFacts, Sender, Tracker

DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",  # it would tell MLflow's makers what is called
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",  # a training waits for this: MLflow's own 120 s, 7 times, are too long
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
"""Settings of MLflow's client where the user has none."""
MOST_METRICS, MOST_PARAMETERS, LONGEST_KEY, LONGEST_VALUE = 1000, 100, 250, 500
"""What MLflow takes in a request, and of a name and a value; values of 6,000 characters since 2.8 only."""
STATUSES: dict[Outcome, str] = {"finished": "FINISHED", "failed": "FAILED", "killed": "KILLED"}
UNWANTED = re.compile(r"[^\w\-. :/]")
"""Characters that MLflow has in no name."""


class Mlflow(Tracker):
    """Logs the run with MLflow: parameters, metrics by step, tags, and files at the end.

    https://mlflow.org/docs/latest/tracking.html
    """

    type: Literal["mlflow"] = "mlflow"
    uri: str | None = None
    """A server (http://...), a database (sqlite:///mlflow.db) or a folder; MLFLOW_TRACKING_URI when left out."""
    experiment: str | None = Field(None, min_length=1)
    """The experiment, which is made where there is none of that name; the config's name when left out."""
    tags: dict[str, str] = Field(default_factory=dict)
    """Tags of the run besides dlrun's own."""

    @field_validator("uri")
    @classmethod
    def _no_password(cls, uri: str | None) -> str | None:
        if uri is not None and urlsplit(uri).password:
            way_out = "leave uri out and set MLFLOW_TRACKING_URI, or MLFLOW_TRACKING_PASSWORD"
            raise ValueError(f"a config is no place for a password: {way_out}")
        return uri

    @property
    def place(self) -> str:
        """What messages call it, without a password."""
        uri = self.uri or os.environ.get("MLFLOW_TRACKING_URI")
        return f"MLflow at {re.sub(r'://[^@/]*@', '://', uri)}" if uri else "MLflow"

    def reach(self) -> None:
        """Ask for an experiment, whatever the answer."""
        with self.calling():
            self.client().get_experiment_by_name(self.experiment or "Default")

    def start(self, facts: RunFacts, known: str | None = None) -> Sender:
        """Begin a run in the experiment, or go on with the one that is known."""
        with self.calling():
            client = self.client()
            found = None if known is None else _found(client, known)
            if found is not None:
                return MlflowSender(self, client, found, facts)
            experiment = _experiment(client, self.experiment or facts.group)
            run = client.create_run(experiment, run_name=facts.name, tags={**facts.tags, **self.tags})
            return MlflowSender(self, client, run, facts, lost=known)

    def client(self) -> Any:
        """Return MLflow's client. Raises MissingExtra."""
        for name, value in DEFAULTS.items():
            os.environ.setdefault(name, value)
        try:
            from mlflow.tracking import MlflowClient
        except ImportError:
            raise MissingExtra("mlflow", "mlflow", "tracking with MLflow") from None
        return MlflowClient(tracking_uri=self.uri)

    @contextmanager
    def calling(self) -> Iterator[None]:
        """Turn whatever MLflow and what it builds on raise into TrackingError; their warnings are not the user's."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        except (MissingExtra, TrackingError):
            raise
        except Exception as error:  # of requests, SQLAlchemy, the system ...
            raise TrackingError(f"{self.place} fails: {_reason(error)}", _way_out(error)) from error


class MlflowSender(Sender):
    """One run in MLflow."""

    def __init__(self, tracker: Mlflow, client: Any, run: Any, facts: RunFacts, lost: str | None = None) -> None:
        self.tracker, self.client, self.id = tracker, client, str(run.info.run_id)
        if lost is not None:
            self.notes += (f"{tracker.place} has no run {lost} any more: a new one goes on",)
        client.update_run(self.id, status="RUNNING")
        try:
            self._log_parameters(dict(run.data.params), facts.parameters)
        except Exception as error:  # a server may have limits of its own; the config is among the files, too
            self.notes += (f"{tracker.place} doesn't take all parameters: {_reason(error)}",)

    def _log_parameters(self, present: Mapping[str, str], parameters: Mapping[str, str]) -> None:
        """Log parameters; of a run that goes on those that have changed, which MLflow can't, as tags."""
        from mlflow.entities import Param, RunTag

        wanted = {_key(name): shortened(value) for name, value in parameters.items()}
        new = [Param(name, value) for name, value in wanted.items() if name not in present]
        changed = {name: value for name, value in wanted.items() if name in present and present[name] != value}
        for some in _parts(new, MOST_PARAMETERS):
            self.client.log_batch(self.id, params=some)
        tags = [RunTag(_key(f"dlrun.resumed.{name}"), value) for name, value in changed.items()]
        for each in _parts(tags, MOST_PARAMETERS):
            self.client.log_batch(self.id, tags=each)

    def send(self, points: Sequence[Point], tags: Mapping[str, str]) -> None:
        """Add measures and tags."""
        with self.tracker.calling():
            from mlflow.entities import Metric, RunTag

            if tags:
                self.client.log_batch(self.id, tags=[RunTag(_key(name), value) for name, value in tags.items()])
            metrics = [
                Metric(_key(name), value, point.time, point.step)
                for point in points
                for name, value in point.values.items()
            ]
            for some in _parts(metrics, MOST_METRICS):
                self.client.log_batch(self.id, metrics=some)

    def upload(self, files: Sequence[tuple[Path, str]]) -> None:
        """Add files."""
        with self.tracker.calling():
            for path, folder in files:
                self.client.log_artifact(self.id, str(path), folder or None)

    def end(self, outcome: Outcome) -> None:
        """Set the run's status."""
        with self.tracker.calling():
            self.client.set_terminated(self.id, STATUSES[outcome])


def _reason(error: Exception) -> str:
    """Return what went wrong, in a line; of what requests says of a connection, which is long, the end of the chain."""
    text = str(error).strip() or type(error).__name__
    for mark in ("Connection refused", "Name or service not known", "timed out", "Connection reset"):
        if mark in text:
            return mark.lower()
    return text.splitlines()[0].split(". ")[0][:300]


def _way_out(error: Exception) -> str:
    if "MLFLOW_ALLOW_FILE_STORE" in str(error):
        return "take a database, such as sqlite:///mlflow.db; a folder needs MLFLOW_ALLOW_FILE_STORE=true"
    return "tracking=null trains without it; the run folder has everything"


def _found(client: Any, known: str) -> Any:
    """Return a run by its id, or None where it was deleted."""
    from mlflow.exceptions import MlflowException

    try:
        run = client.get_run(known)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise
    return run if run.info.lifecycle_stage == "active" else None


def _experiment(client: Any, name: str) -> str:
    """Return the id of an experiment, which is made where there is none; another process may be quicker."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name))
        except MlflowException:
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage != "active":
        raise TrackingError(
            f"MLflow's experiment {name!r} was deleted",
            f"restore it: mlflow experiments restore -x {found.experiment_id}",
        )
    return str(found.experiment_id)


def _parts(items: Sequence[Any], size: int) -> Iterator[list[Any]]:
    """Yield the items in lists of at most so many."""
    for start in range(0, len(items), size):
        yield list(items[start : start + size])


def _key(name: str) -> str:
    return UNWANTED.sub("_", name)[:LONGEST_KEY]


def shortened(value: str) -> str:
    """Return a value that MLflow takes."""
    return value if len(value) <= LONGEST_VALUE else value[: LONGEST_VALUE - 1] + "…"
