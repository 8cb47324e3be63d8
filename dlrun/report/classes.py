"""What the predictions of classes are worth: confusion matrix, a table by class, calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlrun.executor.executor import Array
from dlrun.report.blocks import BLUE, GREY, Block, Chart, Table, axes, one
from dlrun.training.reports import Report

BINS = 15
"""Bins of the reliability diagram, as in the paper."""
MOST_COUNTS = 25
"""Classes up to which the matrix has its counts written into it."""


def shares_of(predictions: Array) -> Array:
    """Probabilities of all classes, float64. Shapes: (n, k), or (n,) and (n, 1) of the second of two → (n, k)."""
    shares = np.asarray(predictions, np.float64).reshape(len(predictions), -1)
    return np.concatenate([1.0 - shares, shares], axis=1) if shares.shape[1] == 1 else shares


def confusion(truth: Array, predicted: Array, classes: int) -> Array:
    """How many rows of class i were taken for class j. Shapes: (n,), (n,) class indices → (classes, classes) int64."""
    counts = np.bincount(truth.astype(np.int64) * classes + predicted, minlength=classes * classes)
    return counts.reshape(classes, classes)


def class_table(report: Report) -> Table:
    """Precision, recall, F1 and support of each class, or of each label, and their averages."""
    rows = [
        [row["class"], row["precision"], row["recall"], row["f1"], int(row["rows"])]
        for row in (*report.classes, *report.averages)
    ]
    return Table("By class", ("class", "precision", "recall", "F1", "support"), rows, "Support: the rows of the class.")


@dataclass(frozen=True)
class Reliability:
    """Rows by the probability of their predicted class: bins' edges, rows, mean probabilities, shares that are right.

    `error` is the expected calibration error, ∑ rows/n * |right - confidence| over the bins (C. Guo, G. Pleiss, Y. Sun,
    K. Weinberger: On Calibration of Modern Neural Networks, ICML 2017, equation 3). Empty bins hold NaN.
    """

    edges: Array
    rows: Array
    confidence: Array
    right: Array
    error: float


def reliability(confidence: Array, is_right: Array, bins: int = BINS) -> Reliability:
    """Calibration of predictions. Shapes: confidence (n,) from 0 to 1, is_right (n,) of 0 and 1."""
    edges = np.linspace(0.0, 1.0, bins + 1)
    place = np.clip(np.ceil(np.asarray(confidence, np.float64) * bins).astype(np.int64) - 1, 0, bins - 1)
    rows = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        means = np.bincount(place, confidence, bins) / rows
        right = np.bincount(place, is_right, bins) / rows
    error = float(np.nansum(rows * np.abs(right - means)) / max(len(place), 1))
    return Reliability(edges, rows, means, right, error)


def class_blocks(truth: Array, predictions: Array, classes: Sequence[str]) -> list[Block]:
    """The charts of a target of classes. Shapes: truth (n,) class indices, predictions (n, k), (n, 1) or (n,)."""
    shares = shares_of(predictions)
    predicted = shares.argmax(axis=1)
    confidence = shares[np.arange(len(shares)), predicted]
    return [
        _matrix_chart(confusion(truth, predicted, len(classes)), classes),
        reliability_chart(reliability(confidence, predicted == truth), "The probability of the predicted class"),
    ]


def label_chart(truth: Array, predictions: Array) -> Chart:
    """The calibration of several labels a row. Shapes: truth (n, k) of 0 and 1, predictions (n, k) probabilities."""
    return reliability_chart(reliability(predictions.ravel(), truth.ravel() > 0.5), "The probability of a label")


def _matrix_chart(matrix: Array, classes: Sequence[str]) -> Chart:
    sums = matrix.sum(axis=1, keepdims=True)
    parts = np.divide(matrix, sums, out=np.zeros(matrix.shape), where=sums > 0)
    trace: dict[str, Any] = {
        "type": "heatmap", "z": parts, "x": classes, "y": classes, "customdata": matrix, "zmin": 0, "zmax": 1,
        "colorscale": [[0, "rgba(77,143,209,0.03)"], [1, "rgba(77,143,209,1)"]], "xgap": 1, "ygap": 1,
        "showscale": False,
        "hovertemplate": "true %{y}<br>predicted %{x}<br>%{customdata} rows, %{z:.1%} of the class<extra></extra>",
    }  # fmt: skip
    if len(classes) <= MOST_COUNTS:
        trace |= {"text": [[count or "" for count in row] for row in matrix.tolist()], "texttemplate": "%{text}"}
    layout = axes("predicted", "true")
    layout["xaxis"] |= {"type": "category", "showgrid": False}
    layout["yaxis"] |= {"type": "category", "showgrid": False, "autorange": "reversed"}
    wide = len(classes) > 12
    return one("Confusion matrix", [trace], layout=layout, wide=wide, caption="Coloured by the part of the true class.")


def reliability_chart(found: Reliability, what: str) -> Chart:
    """The reliability diagram with its error."""
    middles = (found.edges[:-1] + found.edges[1:]) / 2
    bars = {
        "type": "bar", "x": middles, "y": found.right, "width": 0.94 / len(middles), "marker": {"color": BLUE},
        "name": "right", "customdata": np.stack([found.rows, found.confidence], axis=1),
        "hovertemplate": "%{customdata[0]} rows<br>mean %{customdata[1]:.3f}<br>right %{y:.3f}<extra></extra>",
    }  # fmt: skip
    diagonal = {
        "type": "scatter", "mode": "lines", "x": [0, 1], "y": [0, 1], "name": "calibrated", "hoverinfo": "skip",
        "line": {"color": GREY, "dash": "dash"},
    }  # fmt: skip
    layout = axes("probability", "share that is right", showlegend=False)
    layout["xaxis"] |= {"range": [0, 1]}
    layout["yaxis"] |= {"range": [0, 1.02]}
    caption = f"{what}, and how often it comes true. Expected calibration error: {found.error:.4f}."
    return one("Calibration", [bars, diagonal], layout=layout, caption=caption)
