"""What predictions of numbers are worth: predicted beside true values, and residuals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dlrun.executor.executor import Array
from dlrun.report.blocks import BLUE, GREY, Block, Chart, Table, View, axes

MOST_POINTS = 6_000
"""Points of all views of a chart together."""
MOST_COLUMNS = 24
"""Columns that are shown, some from the first to the last where there are more: the steps of a long window."""
BINS = 50


def number_blocks(truth: Array, predictions: Array, columns: Sequence[str]) -> list[Block]:
    """The blocks of a target of numbers, in its own units. Shapes: truth and predictions (n, k), k columns."""
    shown = np.unique(np.linspace(0, len(columns) - 1, min(len(columns), MOST_COLUMNS)).astype(np.int64)).tolist()
    count = max(MOST_POINTS // max(len(shown), 1), 50)
    chosen = np.unique(np.linspace(0, len(truth) - 1, min(len(truth), count)).astype(np.int64))
    scatter, residuals = [], []
    for index in shown:
        name, true, said = columns[index], truth[:, index], predictions[:, index]
        low, high = (float(f([f(true), f(said)])) for f in (np.nanmin, np.nanmax))
        points = {
            "type": "scattergl" if len(chosen) > 3000 else "scatter", "mode": "markers",
            "x": true[chosen], "y": said[chosen], "name": "", "text": [f"row {row}" for row in chosen],
            "marker": {"size": 4, "color": BLUE, "opacity": 0.5},
        }  # fmt: skip
        diagonal = {
            "type": "scatter", "mode": "lines", "x": [low, high], "y": [low, high], "hoverinfo": "skip",
            "line": {"color": GREY, "dash": "dash"},
        }  # fmt: skip
        scatter.append(View(name, [points, diagonal]))
        residuals.append(View(name, [histogram(said - true)]))
    points_of = "" if len(chosen) == len(truth) else f"{len(chosen):,} of {len(truth):,} rows."
    blocks: list[Block] = [
        Chart("Predicted and true", scatter, axes("true", "predicted", showlegend=False), points_of),
        Chart("Residuals", residuals, axes("predicted - true", "rows", showlegend=False, bargap=0.02)),
    ]
    errors = error_rows(truth[:, shown], predictions[:, shown], [columns[index] for index in shown])
    some = "" if len(shown) == len(columns) else f"{len(shown)} of {len(columns):,} columns."
    return [*blocks, Table("Errors", ("column", "RMSE", "MAE", "bias", "R²"), errors, some)]


def error_rows(truth: Array, predictions: Array, columns: Sequence[str]) -> list[list[str | float]]:
    """(column, RMSE, MAE, mean error, R²) by column; R² is NaN where the true values are all the same."""
    rows: list[list[str | float]] = []
    for index, name in enumerate(columns):
        error = predictions[:, index] - truth[:, index]
        spread = float(((truth[:, index] - truth[:, index].mean()) ** 2).sum())
        r2 = 1 - float((error**2).sum()) / spread if spread > 0 else float("nan")
        rows.append([name, float(np.sqrt((error**2).mean())), float(np.abs(error).mean()), float(error.mean()), r2])
    return rows


def histogram(values: Array, colour: str = BLUE, bins: int = BINS) -> dict[str, object]:
    """The trace of a histogram of the finite values, counted here so that the page doesn't carry them all."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)
    margin = max(abs(low), abs(high)) * 1e-6 or 0.5  # numbers that are all the same, but for their last bits
    limits = (low - margin, high + margin) if high - low < margin else (low, high)
    counts, edges = np.histogram(finite, bins, limits)
    return {
        "type": "bar", "x": (edges[:-1] + edges[1:]) / 2, "y": counts, "width": np.diff(edges),
        "marker": {"color": colour}, "hovertemplate": "%{x:.4g}: %{y}<extra></extra>",
    }  # fmt: skip
