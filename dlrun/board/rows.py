"""The rows of the board: runs, and sweeps and cross-validations over the runs that are theirs; JSON-able."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dlrun.board.finding import Found
from dlrun.board.reading import Facts, curve, value_at
from dlrun.errors import RunError
from dlrun.runs.comparison import ComparedRun
from dlrun.runs.folds import read_cross_validation
from dlrun.runs.metrics_csv import FIRST_COLUMNS
from dlrun.runs.record import RunRecord
from dlrun.sweep.folder import SweepFolder

Row = dict[str, Any]
ENDINGS = (".yaml", ".yml")
DONE = (
    *(("finished", reason) for reason in (None, "early_stopping", "max_steps")),
    ("stopped", "max_time"), ("stopped", "pruned"),
)  # fmt: skip
"""Statuses and reasons, as rows have them, of trials that have nothing left to train."""


def run_row(found: Found, facts: Facts, wanted: str | None = None, varied: Sequence[str] = ()) -> Row:
    """A run's row. `wanted` is the metric that its sweep looks at, `varied` the paths that its sweep varies."""
    row = _row(found)
    if facts.problem:
        row |= {"status": "damaged", "problem": facts.problem}
    record = facts.record
    if record is None:
        return row
    last = facts.history.rows[-1] if facts.history.rows else {}
    row |= {
        "status": "damaged" if facts.problem else record.observed_status(),
        "reason": record.reason if record.reason != record.status else None,
        "epoch": record.epochs, "epochs": value_at(facts.config, "training.epochs"), **_times(record),
        "parameters": record.parameters, "config": _config(record.command), "command": " ".join(record.command),
        "metrics": {name: _finite(last.get(name)) for name in facts.history.columns if name not in FIRST_COLUMNS},
        "values": {path: _plain(value_at(facts.config, path)) for path in varied},
    }  # fmt: skip
    row["label"] = _label(row["values"]) or row["name"]
    metric = facts.main_metric(wanted)
    run = ComparedRun("", record, facts.history, ())
    best = None if metric is None else run.extremes(metric)
    if metric is not None and best is not None:
        row["main"] = {
            "name": metric, "value": _finite(best.best), "epoch": best.best_epoch, "more": run.wants_more(metric),
        }  # fmt: skip
        row["curve"] = [_finite(value) for value in curve(facts.history, metric)]
    return row


def sweep_row(found: Found, definition: Mapping[str, Any], trials: Sequence[Row]) -> Row:
    """A sweep's row: how far it is, and the best of its trials."""
    row = _row(found)
    try:
        content = SweepFolder(found.path).read()
        row |= {"epochs": content["trials"], "config": _config(content.get("command", ()))}
    except RunError as error:
        return row | {"status": "damaged", "problem": error.message}
    done = sum((each["status"], each["reason"]) in DONE for each in trials)
    row |= {"epoch": done, **_group(trials, done >= row["epochs"])}
    measured = [each for each in trials if each["main"] and each["main"]["value"] is not None]
    wants_more = value_at(definition, "sweep.direction") == "maximize" or any(
        each["main"]["more"] for each in measured if value_at(definition, "sweep.direction") in (None, "auto")
    )
    if measured:
        sign = -1 if wants_more else 1
        best = min(measured, key=lambda each: sign * each["main"]["value"])
        row |= {"main": best["main"], "curve": best["curve"], "best": best["label"], "values": best["values"]}
    return row


def folds_row(found: Found, folds: Sequence[Row]) -> Row:
    """A cross-validation's row: how far it is, and the mean of the folds' metric."""
    row = _row(found)
    try:
        validation = read_cross_validation(found.path)
    except RunError as error:
        return row | {"status": "damaged", "problem": error.message}
    done = len(validation.results or {})
    row |= {"epoch": done, "epochs": validation.folds, "config": _config(validation.command)}
    row |= _group(folds, done >= validation.folds)
    named = [each["main"]["name"] for each in folds if each["main"]]
    mean, spread = (validation.summary()[name] for name in ("mean", "standard_deviation"))
    if named:
        # The folds' results name the held-out rows' metrics without their split.
        name = next((each for each in (named[0], named[0].partition("/")[2]) if each in mean), None)
        if name is not None:
            row["main"] = {"name": f"mean {name}", "value": _finite(mean[name]), "spread": _finite(spread[name])}
    return row


def _row(found: Found) -> Row:
    """A row of which nothing is known yet."""
    return {
        "id": found.id, "kind": found.kind, "group": found.group, "name": found.id.rpartition("/")[2],
        "label": found.id.rpartition("/")[2],
        "folder": found.id.rpartition("/")[0], "status": "damaged", "reason": None, "problem": None,
        "epoch": None, "epochs": None, "started": None, "since": None, "seconds": None, "parameters": None,
        "config": None, "command": None, "main": None, "curve": [], "metrics": {}, "values": {}, "best": None,
    }  # fmt: skip


def _times(record: RunRecord) -> Row:
    """When it was started, in seconds since 1970; how long it took, or since when it runs."""
    begin = (record.resumed[-1] if record.resumed else record.started).timestamp()
    times = {"started": record.started.timestamp()}
    if record.observed_status() == "running":
        return times | {"since": begin}
    if record.ended is None:
        return times
    return times | {"seconds": max(record.ended.timestamp() - begin, 0.0)}


def _group(rows: Sequence[Row], is_done: bool) -> Row:
    """What a group's runs say about it."""
    started = [each["started"] for each in rows if each["started"] is not None]
    running = any(each["status"] == "running" for each in rows)
    status = "running" if running else "finished" if is_done else "interrupted" if rows else "waiting"
    failed = sum(each["status"] in ("failed", "damaged") for each in rows)
    seconds = sum(each["seconds"] or 0.0 for each in rows)
    return {
        "status": status, "started": min(started, default=None), "seconds": seconds or None,
        "reason": f"{failed} failed" if failed else None,
    }  # fmt: skip


def _config(command: Sequence[str]) -> str | None:
    """The config that a command names."""
    return next((part for part in command if Path(part).suffix in ENDINGS), None)


def _label(values: Mapping[str, Any]) -> str:
    """What tells a trial from the others of its sweep."""
    known = {path.rpartition(".")[2]: value for path, value in values.items() if value is not None}
    return ", ".join(f"{name} {f'{value:.4g}' if isinstance(value, float) else value}" for name, value in known.items())


def _finite(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _plain(value: Any) -> str | int | float | bool | None:
    if isinstance(value, dict) and set(value) >= {"type"}:
        return str(value["type"])
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, str | int | float) else json.dumps(value, default=str)
