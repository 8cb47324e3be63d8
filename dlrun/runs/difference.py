"""The data behind `dlrun diff`: in what two runs differ, in the order in which one thing follows from another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dlrun.config.diff import ABSENT, Change, config_diff
from dlrun.config.load import load_config
from dlrun.config.problems import path_text
from dlrun.config.resolve import plain_value
from dlrun.runs.directory import RunDirectory
from dlrun.runs.record import RunRecord, read_record


@dataclass(frozen=True)
class Difference:
    """One thing that differs, by its name, with both values; None where a side has none."""

    name: str
    old: Any
    new: Any


Differences = dict[str, list[Difference]]
"""By section, in this order: config, data, environment, metrics. Sections without a difference are there, empty."""


def diff_runs(old: RunDirectory, new: RunDirectory) -> Differences:
    """Return what differs between two runs, and nothing else.

    Raises: LocatedConfigError, RunError where a run's resolved config or record can't be read.
    """
    before, after = load_config(old.resolved_config).config, load_config(new.resolved_config).config
    return {"config": [_of_config(change) for change in config_diff(before, after)], **diff_records(old, new)}


def diff_records(old: RunDirectory, new: RunDirectory) -> Differences:
    """Return what differs between two runs but for their configs. Raises: RunError."""
    records = read_record(old.record), read_record(new.record)
    return {
        "data": _differing(*map(_data, records)),
        "environment": _differing(*map(_environment, records)),
        "metrics": _differing(*map(_metrics, records)),
    }


def to_json(found: Differences) -> dict[str, list[dict[str, Any]]]:
    """The differences as objects of plain values."""
    return {
        section: [{"name": each.name, "old": each.old, "new": each.new} for each in differences]
        for section, differences in found.items()
    }


def _of_config(change: Change) -> Difference:
    old, new = (None if value is ABSENT else plain_value(value) for value in (change.old, change.new))
    return Difference(path_text(change.path), old, new)


def _differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Difference]:
    pairs = [Difference(name, old.get(name), new.get(name)) for name in dict.fromkeys([*old, *new])]
    return [each for each in pairs if each.old != each.new]


def _data(record: RunRecord) -> dict[str, Any]:
    if record.data is None:
        return {}
    return {
        "fingerprint": record.data.fingerprint, "variant": record.data.variant, "notes": "; ".join(record.data.notes),
    }  # fmt: skip


def _environment(record: RunRecord) -> dict[str, Any]:
    git = record.git
    return {
        **record.versions, "cpu": record.cpu, "threads": record.threads, "host": record.process.host,
        "git commit": git and git.commit, "git has changes": git and git.dirty,
    }  # fmt: skip


def _metrics(record: RunRecord) -> dict[str, Any]:
    return {
        "status": record.observed_status(), "parameters": record.parameters, "epochs": record.epochs,
        "steps": record.step, "best epoch": record.best_epoch,
        **{f"best {name}": value for name, value in record.best_metrics.items()},
        **{f"last {name}": value for name, value in record.last_metrics.items()},
    }  # fmt: skip
