"""The files of `dlrun detect`: each row's score, the report, and a plot of both."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dlrun.runs.csv_file import write_table
from dlrun.runs.files import write_text, writing
from dlrun.runs.plots import new_figure, save_figure

Array = np.ndarray[Any, np.dtype[Any]]
FOUND, MISSED, FALSE, SCORE = "#bfe3c6", "#f2c4bb", "#cc3311", "#4477aa"


def write_anomalies(folder: Path, rows: Sequence[Mapping[str, Any]], report: Mapping[str, Any]) -> None:
    """Write scores.csv and report.json. Raises: RunError."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_table(folder / "scores.csv", rows)
    write_text(folder / "report.json", json.dumps(report, indent=2, ensure_ascii=False) + "\n")


def draw_scores(
    path: Path,
    places: Array,
    values: Array | None,
    scores: Array,
    flags: Array,
    threshold: float,
    windows: Sequence[Array],
) -> None:
    """Draw the values of a series, where they are known, over the scores with their threshold.

    Flagged rows are red, labelled windows green where one of their rows is flagged, else red.
    Shapes: places (rows,) numbers or datetime64, values, scores and flags (rows,), windows of (rows,) bool each.
    Raises: MissingExtra without matplotlib; RunError when the file can't be written.
    """
    count = 1 if values is None else 2
    figure = new_figure(12.0, 2.8 * count + 0.4, "")
    panels = figure.subplots(count, 1, sharex=True, squeeze=False)[:, 0]
    shown = [scores] if values is None else [values, scores]
    for axes, numbers in zip(panels, shown, strict=True):
        for window in windows:
            inside = places[window]
            colour = FOUND if (window & flags).any() else MISSED
            axes.axvspan(inside[0], inside[-1], color=colour, linewidth=0, zorder=0)
        axes.plot(places, numbers, color=SCORE, linewidth=0.7)
        axes.plot(places[flags], numbers[flags], ".", color=FALSE, markersize=3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_ylabel("score" if numbers is scores else "value")
    panels[-1].axhline(threshold, color="#333333", linewidth=0.9, linestyle=(0, (4, 3)))
    if scores.min(initial=np.inf) > 0:
        panels[-1].set_yscale("log")
    save_figure(figure, path)
