"""The page that lays runs over each other: a metric's curves, the figures, and in what the runs differ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from dlrun.config.resolve import flow
from dlrun.errors import DlrunError, UsageError
from dlrun.report.blocks import COLOURS, Block, Chart, Link, Page, Section, Table, View, axes
from dlrun.report.curves import line
from dlrun.runs.comparison import ComparedRun, Comparison, compare_runs
from dlrun.runs.difference import diff_records, diff_runs
from dlrun.runs.directory import RunDirectory
from dlrun.runs.record import read_record

MOST_RUNS = 16
"""Runs whose curves can still be told apart, a colour and a dash each."""
FEW, SHORT = 4, 60
"""Runs, and letters of their names together, that fit over a chart of half the page's width."""
DASHES = ("solid", "dash")
TITLES = {"config": "Config", "data": "Data", "environment": "Environment"}


def comparison_page(runs: Sequence[RunDirectory], names: Sequence[str]) -> Page:
    """Compare runs under the names that the board has for them.

    Raises: UsageError for fewer than two runs, or too many; RunError where a run's files are damaged.
    """
    if len(runs) > MOST_RUNS:
        raise UsageError(f"{len(runs)} runs are too many to lay over each other", f"choose up to {MOST_RUNS}")
    comparison = compare_runs(runs)
    names = _short(names)
    sections: list[Section] = []
    if comparison.metrics:
        sections.append(Section("Curves", _charts(comparison, names)))
    sections.append(Section("Figures", [_figures(comparison, names)]))
    blocks, notes = _differences(runs, names)
    if blocks:
        sections.append(Section("Differences", blocks))
    facts = [(f"run {index}", name) for index, name in enumerate(names, 1)]
    return Page(f"{len(runs)} runs compared", facts, sections, notes, Link("all runs", "/"))


def _short(names: Sequence[str]) -> list[str]:
    """The names without the folders that all have in common; a trial's are followed by a colon and its values."""
    parts = [
        [*place.split("/"), *([values] if values else [])] for place, _, values in (n.partition(": ") for n in names)
    ]
    common = 0
    while len({tuple(each[: common + 1]) for each in parts}) == 1 and all(len(each) > common + 1 for each in parts):
        common += 1
    last = [each[-1] for each in parts]
    return last if len(set(last)) == len(last) else ["/".join(each[common:]) for each in parts]


def _charts(comparison: Comparison, names: Sequence[str]) -> list[Block]:
    """The curves over the epochs, and over the time that they took; every metric is a view."""
    chief = comparison.chief_metrics()
    metrics = [*chief[1:], *chief[:1], *(name for name in comparison.metrics if name not in chief)]
    wide = len(names) > FEW or sum(map(len, names)) > SHORT
    legend = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"}
    return [
        Chart(title, [View(metric, _lines(comparison, names, metric, column)) for metric in metrics],
              axes(x, "", uirevision="kept", legend=legend), wide=wide)
        for title, x, column in (("By epoch", "epoch", "epoch"), ("By training time", "seconds", "seconds"))
    ]  # fmt: skip


def _lines(comparison: Comparison, names: Sequence[str], metric: str, column: str) -> list[dict[str, Any]]:
    lines = []
    for index, (run, name) in enumerate(zip(comparison.runs, names, strict=True)):
        xs, ys = _points(run, metric, column)
        trace = line(xs, ys, name, COLOURS[index % len(COLOURS)])
        trace["line"]["dash"] = DASHES[index // len(COLOURS) % len(DASHES)]
        lines.append(trace | {"showlegend": True})
    return lines


def _points(run: ComparedRun, metric: str, column: str) -> tuple[list[float], list[float]]:
    """The values of a metric over another column; seconds add up, as they are those of each epoch."""
    xs, ys, passed = [], [], 0.0
    for row in run.history.rows:
        passed = float(row[column] or 0) + (passed if column == "seconds" else 0.0)
        value = row.get(metric)
        if value is not None and math.isfinite(value):
            xs.append(passed)
            ys.append(float(value))
    return xs, ys


def _figures(comparison: Comparison, names: Sequence[str]) -> Table:
    labels = [run.label for run in comparison.runs]
    rows = [[row["metric"], *(row[label] for label in labels)] for row in comparison.rows()]
    return Table("", ("", *names), rows)


def _differences(runs: Sequence[RunDirectory], names: Sequence[str]) -> tuple[list[Block], list[str]]:
    """A table for each section in which runs differ from the first, and notes where that can't be told."""
    found: dict[str, dict[str, list[Any]]] = {section: {} for section in TITLES}
    notes = []
    for index, run in enumerate(runs[1:], 1):
        try:
            differing = diff_runs(runs[0], run)
        except DlrunError as error:
            notes.append(f"The configs of {names[0]} and {names[index]} can't be compared: {error.message}")
            differing = diff_records(runs[0], run)
        for section in TITLES:
            for each in differing.get(section, ()):
                found[section].setdefault(each.name, [each.old] * len(runs))[index] = each.new
    data = read_record(runs[0].record).data
    if data is not None and "fingerprint" not in found["data"]:
        notes.append(f"All of them use the same data, by the fingerprint {data.fingerprint[:16]}.")
    tables: list[Block] = [
        Table(TITLES[section], ("", *names), [[name, *map(_cell, values)] for name, values in rows.items()])
        for section, rows in found.items()
        if rows
    ]
    return tables, notes


def _cell(value: Any) -> Any:
    return value if value is None or isinstance(value, int | float | str) else flow(value)
