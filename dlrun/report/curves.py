"""A run's epochs as charts: loss and metrics, the learning rate, the speed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dlrun.report.blocks import BLUE, COLOURS, GREY, LINE_COLOURS, Chart, Section, axes, one
from dlrun.runs.metrics_csv import History
from dlrun.runs.plots import panels_of

FEW = 12
"""Epochs that each have a tick."""
MOST_LINES = 20
"""Lines of a panel; a metric of a thousand classes has more."""


def curves(history: History, best_epoch: int | None) -> Section:
    """A chart for the loss, each metric and the learning rate, train and validation together."""
    panels = panels_of(history.columns)
    charts = [_panel(name, lines, history, best_epoch) for name, lines in panels.items() if name != "learning rate"]
    return Section("Curves", [*charts, _learning_rate(history), _speed(history)])


def _panel(name: str, lines: Mapping[str, str], history: History, best_epoch: int | None) -> Chart:
    traces, values = [], []
    for position, (label, column) in enumerate(list(lines.items())[:MOST_LINES]):
        epochs, measured = history.series(column)
        colour = LINE_COLOURS.get(label, COLOURS[position % len(COLOURS)])
        traces.append(line(epochs, measured, label or name, colour))
        values += [value for value in measured if np.isfinite(value)]
    layout = _over_epochs(history, name)
    if values and 0 < min(values) * 50 < max(values):
        layout["yaxis"] |= {"type": "log"}
    if best_epoch is not None:
        layout["shapes"] = [
            {"type": "line", "x0": best_epoch, "x1": best_epoch, "y0": 0, "y1": 1, "yref": "paper", "layer": "below",
             "line": {"color": GREY, "width": 1, "dash": "dash"}}
        ]  # fmt: skip
    left_out = len(lines) - MOST_LINES
    return one(name, traces, layout=layout, caption=f"{left_out} more lines are left out." if left_out > 0 else "")


def _over_epochs(history: History, y: str) -> dict[str, Any]:
    layout = axes("epoch", y)
    if len(history.rows) <= FEW:
        layout["xaxis"] |= {"dtick": 1}
    return layout


def line(x: Sequence[Any], y: Sequence[Any], name: str, colour: str) -> dict[str, Any]:
    """The trace of a curve."""
    mode = "lines+markers" if len(x) <= 30 else "lines"
    return {
        "type": "scatter", "mode": mode, "x": x, "y": y, "name": name, "line": {"color": colour, "width": 2},
        "marker": {"size": 5},
    }  # fmt: skip


def _learning_rate(history: History) -> Chart:
    epochs, rates = history.series("learning_rate")
    layout = _over_epochs(history, "")
    layout["yaxis"] |= {"rangemode": "tozero"}
    caption = "At the end of each epoch."
    return one("learning rate", [line(epochs, rates, "", BLUE)], layout=layout, caption=caption)


def _speed(history: History) -> Chart:
    epochs, rates = history.series("samples_per_second")
    layout = _over_epochs(history, "")
    layout["yaxis"] |= {"rangemode": "tozero"}
    caption = "Of the training steps alone."
    return one("samples per second", [line(epochs, rates, "", BLUE)], layout=layout, caption=caption)
