"""The report of a sweep: which trials were best, what made them so, and the way to each trial."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dlrun.errors import RunError
from dlrun.report.blocks import BLUE, COLOURS, GREY, ORANGE, Chart, Code, Link, Page, Section, Table, axes, one
from dlrun.report.curves import line
from dlrun.runs.metrics_csv import read_metrics
from dlrun.sweep.folder import SweepFolder
from dlrun.sweep.results import summary
from dlrun.sweep.study import Study

MOST_LINES, MOST_CURVES, MOST_SLICES = 300, 12, 12
"""Trials of the parallel coordinates, trials whose epochs are drawn, and parameters with a chart of their own."""
SPREAD = 50
"""A quotient of the largest and the smallest value from which on an axis is logarithmic."""
Trials = Sequence[Mapping[str, Any]]


def report_sweep(folder: SweepFolder, output: Path) -> Page:
    """Put together what a sweep has found; links lead from the file `output` to the trials' reports and folders.

    Raises: RunError, LocatedConfigError where the sweep's files are damaged; MissingExtra without Optuna.
    """
    study = Study(folder, folder.sweep())
    found = summary(study, int(folder.read()["trials"]))
    labels, metric = study.sweep.space.labels(), str(found["metric"])
    measured = [trial for trial in found["trials"] if _is_finite(trial["value"])]
    sections = []
    if measured:
        sections.append(
            Section("Trials", [parallel(measured, labels, metric), history(measured, metric, study.maximizes)])
        )
        charts = [one_slice(measured, name, label, metric) for name, label in list(labels.items())[:MOST_SLICES]]
        shares = [importance_chart(found["importances"])] if found["importances"] else []
        sections.append(Section("Parameters", [*shares, *charts]))
        sections.append(Section("Curves", [_curves(folder, measured, metric)]))
    sections.append(Section("Leaderboard", [leaderboard(found["trials"], labels, metric, output)]))
    files = [folder.definition, *([folder.best] if folder.best.exists() else [])]
    codes = [Code(file.name, file.read_text("utf-8", "replace")) for file in files]
    sections.append(Section("Sweep", codes))
    notes = [f"Trial {each['number']} failed: {each['problem']}" for each in found["trials"] if each["problem"]]
    return Page(f"Sweep {folder.name}", _facts(found, metric), sections, notes)


def _facts(found: Mapping[str, Any], metric: str) -> list[tuple[str, Any]]:
    counts = [(state, count) for state, count in found["counts"].items()]
    best = found["best"]
    return [
        *counts, ("budget", found["budget"]), ("sampler", found["sampler"]), ("pruner", found["pruner"]),
        *([(f"best {metric}", best["value"]), ("best trial", best["number"])] if best else []),
    ]  # fmt: skip


def parallel(trials: Trials, labels: Mapping[str, str], metric: str) -> Chart:
    """Parallel coordinates: a line for each trial over an axis for each parameter and the metric, the best in orange.

    Parameters that a trial doesn't have (they depend on others) leave a gap in its line.
    """
    shown = trials[:MOST_LINES]
    names = [*labels, None]
    scales = [_Scale([_value(trial, name) for trial in shown]) for name in names]
    traces: list[dict[str, Any]] = []
    for rank, trial in reversed(list(enumerate(shown))):
        values = [_value(trial, name) for name in names]
        heights = [scale.height(value) for scale, value in zip(scales, values, strict=True)]
        title = f"trial {trial['number']}"
        told = "<br>".join(
            f"{label} {_short(value)}" for label, value in zip([*labels.values(), metric], values, strict=True)
        )
        traces.append({
            "type": "scatter", "mode": "lines+markers", "x": list(range(len(names))), "y": heights, "name": title,
            "line": {"color": ORANGE if rank == 0 else BLUE, "width": 3 if rank == 0 else 1.2},
            "marker": {"size": 5}, "opacity": 1.0 if rank == 0 else max(0.15, 0.8 - 0.65 * rank / len(shown)),
            "text": [f"{title}<br>{told}"] * len(names), "hoverinfo": "text",
        })  # fmt: skip
    ticks = [(position, height, text) for position, scale in enumerate(scales) for height, text in scale.ticks()]
    traces.append({
        "type": "scatter", "mode": "text", "x": [x for x, _, _ in ticks], "y": [y for _, y, _ in ticks],
        "text": [text for _, _, text in ticks], "textposition": "middle right", "hoverinfo": "skip",
    })  # fmt: skip
    layout = axes("", "", showlegend=False)
    layout["xaxis"] |= {
        "tickvals": list(range(len(names))), "ticktext": [*labels.values(), metric], "side": "top",
        "range": [-0.1, len(names) - 0.7], "zeroline": False,
    }  # fmt: skip
    layout["yaxis"] |= {"visible": False, "range": [-0.08, 1.08]}
    caption = "A line for each trial, the best in orange, the better the stronger."
    return one("Parallel coordinates", traces, layout=layout, caption=caption, wide=True)


class _Scale:
    """An axis from 0 to 1: numbers by size, or by their logarithm where they spread far; other values side by side."""

    def __init__(self, values: Sequence[Any]) -> None:
        known = [value for value in values if value is not None]
        self.names = [] if all(map(_is_finite, known)) else list(dict.fromkeys(map(str, known)))
        self.low, self.high = (0.0, 0.0) if self.names or not known else (float(min(known)), float(max(known)))
        self.is_log = self.low > 0 and self.high > SPREAD * self.low

    def height(self, value: Any) -> float | None:
        """Where a value stands; None for one that isn't there."""
        if value is None:
            return None
        if self.names:
            return (self.names.index(str(value)) + 0.5) / len(self.names)
        if self.high == self.low:
            return 0.5
        if self.is_log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (float(value) - self.low) / (self.high - self.low)

    def ticks(self) -> list[tuple[float | None, str]]:
        """Heights and what stands there."""
        values: Sequence[Any] = self.names or sorted({self.low, self.high})
        return [(self.height(value), _short(value)) for value in values]


def one_slice(trials: Trials, name: str, label: str, metric: str) -> Chart:
    """The metric by one parameter, a point for each trial."""
    kept = [trial for trial in trials if trial["parameters"].get(name) is not None]
    values = [trial["parameters"][name] for trial in kept]
    numbers = all(map(_is_finite, values))
    trace = {
        "type": "scatter", "mode": "markers", "x": values if numbers else list(map(str, values)),
        "y": [trial["value"] for trial in kept], "marker": {"size": 8, "color": BLUE, "opacity": 0.75},
        "text": [f"trial {trial['number']}" for trial in kept], "name": "",
    }  # fmt: skip
    layout = axes(label, metric)
    if not numbers:
        layout["xaxis"] |= {"type": "category"}
    elif values and min(values) > 0 and max(values) > SPREAD * min(values):
        layout["xaxis"] |= {"type": "log"}
    return one(label, [trace], layout=layout)


def history(trials: Trials, metric: str, maximizes: bool) -> Chart:
    """Each trial's value in the order of their starts, and the best so far."""
    ordered = sorted(trials, key=lambda trial: int(trial["number"]))
    numbers, values = [trial["number"] for trial in ordered], [float(trial["value"]) for trial in ordered]
    best = [(max if maximizes else min)(values[: index + 1]) for index in range(len(values))]
    points = {
        "type": "scatter", "mode": "markers", "x": numbers, "y": values, "name": "trial", "marker": {"color": BLUE},
    }  # fmt: skip
    steps = {
        "type": "scatter", "mode": "lines", "x": numbers, "y": best, "name": "best so far",
        "line": {"color": ORANGE, "shape": "hv", "width": 2},
    }  # fmt: skip
    return one("Trials in their order", [points, steps], layout=axes("trial", metric), wide=True)


def importance_chart(shares: Mapping[str, float]) -> Chart:
    """What each parameter matters."""
    ordered = sorted(shares.items(), key=lambda pair: pair[1])
    bars = {
        "type": "bar", "orientation": "h", "x": [share for _, share in ordered], "y": [name for name, _ in ordered],
        "marker": {"color": BLUE}, "hovertemplate": "%{y}: %{x:.1%}<extra></extra>",
    }  # fmt: skip
    caption = "The share of each parameter in what makes trials good (PED-ANOVA)."
    return one("Importances", [bars], layout=axes("share", ""), caption=caption)


def leaderboard(trials: Trials, labels: Mapping[str, str], metric: str, output: Path) -> Table:
    """All trials, the best first, with links to their reports, or to their folders where there is no report."""
    columns = ["trial", "state", *labels.values(), metric, "epoch", "seconds", "run"]
    rows = [
        [
            trial["number"], trial["state"], *(_plain(trial["parameters"].get(name)) for name in labels),
            trial["value"], trial["epoch"], trial["seconds"], _link(trial, output),
        ]
        for trial in trials
    ]  # fmt: skip
    return Table("Leaderboard", columns, rows, "A run leads to its report where there is one, else to its folder.")


def _link(trial: Mapping[str, Any], output: Path) -> Link | str:
    if trial["path"] is None:
        return ""
    path = Path(trial["path"])
    target = path / "report.html" if (path / "report.html").exists() else path
    return Link(str(trial["key"]), Path(os.path.relpath(target, output.resolve().parent)).as_posix())


def _curves(folder: SweepFolder, trials: Trials, metric: str) -> Chart:
    traces = []
    for rank, trial in enumerate(trials[:MOST_CURVES]):
        try:
            epochs, values = read_metrics(folder.run(str(trial["key"])).metrics).series(metric)
        except RunError:
            continue  # a trial that is being written, or was damaged: the leaderboard has it
        colour = COLOURS[rank] if rank < len(COLOURS) else GREY
        traces.append(line(epochs, values, f"trial {trial['number']}", colour))
    return one(f"{metric} of the best trials", traces, layout=axes("epoch", metric), wide=True)


def _value(trial: Mapping[str, Any], name: str | None) -> Any:
    return trial["value"] if name is None else trial["parameters"].get(name)


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, int | float | str) else str(value)


def _short(value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 24 else text[:23] + "…"
