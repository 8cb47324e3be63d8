"""How much rows don't look like the others: scores, a threshold chosen on validation rows, alarms, and their worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlrun.config.anomaly_config import AnomalyConfig, AnomalyThreshold
from dlrun.data.dataset import Array, Split
from dlrun.data.signature import Feature
from dlrun.errors import DataError

ROWS = 4096
"""Samples whose differences are computed at a time."""


@dataclass(frozen=True)
class Scores:
    """The rows that were scored, ascending, each with its score. Shapes: (rows,) int64, (rows,) float64."""

    rows: Array
    values: Array


def sample_errors(config: AnomalyConfig, split: Split, predictions: Array, target: Feature, series: bool) -> Array:
    """How far predictions are off, in the units that the network sees: the config's mean, or largest, of each row.

    Shapes: predictions (samples, ...) → (samples, 1), or of a series (samples, time), a number for each row ahead.
    """
    truth = split.targets[target.name]
    steps = target.shape[0] if series else 1
    errors = np.empty((split.rows, steps))
    for start in range(0, split.rows, ROWS):
        wanted = np.asarray(truth[start : start + ROWS], np.float64) * target.scale + np.asarray(target.offset)
        given = np.asarray(predictions[start : start + ROWS], np.float64).reshape(len(wanted), steps, -1)
        difference = np.abs(given - wanted.reshape(given.shape))
        if config.score == "max":
            errors[start : start + ROWS] = difference.max(axis=2)
        else:
            errors[start : start + ROWS] = (difference**2 if config.score == "mse" else difference).mean(axis=2)
    return errors


def row_scores(config: AnomalyConfig, errors: Array, index: Array) -> Scores:
    """The score of each row: of the windows' errors that concern it the mean, least or largest, then smoothed.

    Row `index[w] + t` is what errors[w, t] is about. Smoothing takes the mean over the last `smooth` scored rows.
    Shapes: errors (windows, time), index (windows,).
    """
    rows, where = np.unique(index[:, np.newaxis] + np.arange(errors.shape[1]), return_inverse=True)
    where, flat = where.reshape(-1), errors.reshape(-1)
    if config.overlap == "mean":
        values = np.bincount(where, flat) / np.bincount(where)
    else:
        fold, start = (np.minimum, np.inf) if config.overlap == "min" else (np.maximum, -np.inf)
        values = np.full(len(rows), start)
        fold.at(values, where, flat)
    return Scores(rows, smoothed(values, config.smooth))


def smoothed(values: Array, length: int) -> Array:
    """The mean of each value and those before it, `length` in all; fewer at the start. Shape: (n,) → (n,)."""
    if length == 1:
        return values
    sums = np.concatenate([[0.0], np.cumsum(values)])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - length, 0)
    means: Array = (sums[ends] - sums[starts]) / (ends - starts)
    return means


def choose_threshold(config: AnomalyThreshold, validation: Array, labels: Array | None) -> tuple[float, str]:
    """The score above which a row is flagged, and what it is. Shapes: (validation rows,) twice, labels bool.

    Raises DataError for best_f1 where no validation row is labelled as an anomaly.
    """
    rows = f"{len(validation):,} validation rows"
    times = "" if config.factor == 1 else f", times {config.factor:g}"
    if config.type == "best_f1":
        if labels is None or not labels.any():
            raise DataError(
                "none of the validation rows is labelled as an anomaly, by which best_f1 could choose a threshold",
                help="use `threshold: {type: quantile, value: 0.999}`, or validation rows with anomalies",
            )
        value, f1 = best_f1(validation, labels)
        return value * config.factor, f"what gives the {rows} the best F1, {f1:.3f}{times}"
    value = config.chosen_value
    if config.type == "fixed":
        return value * config.factor, f"as given{times}"
    if config.type == "deviation":
        found = float(validation.mean() + value * validation.std())
        return found * config.factor, f"mean and {value:g} standard deviations of the {rows}{times}"
    what = "the largest" if value == 1 else f"the {value:g} quantile"
    return float(np.quantile(validation, value)) * config.factor, f"{what} of the {rows}{times}"


def best_f1(scores: Array, labels: Array) -> tuple[float, float]:
    """(threshold, F1) of the rule `score > threshold` with the largest F1: halfway between two neighbouring scores."""
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    f1 = 2 * np.cumsum(labels[order]) / (np.arange(1, len(scores) + 1) + labels.sum())
    f1[:-1][ranked[:-1] == ranked[1:]] = -1  # equal scores can't be told apart
    best = int(f1.argmax())
    below = ranked[best + 1] if best + 1 < len(ranked) else ranked[best] - abs(ranked[best]) - 1
    return float((ranked[best] + below) / 2), float(f1[best])


def runs_of(flags: Array, rows: Array, gap: int = 0) -> list[tuple[int, int]]:
    """(first, last) position of each stretch of flagged rows, those at most `gap` rows apart taken together."""
    places = np.flatnonzero(flags)
    if not len(places):
        return []
    breaks = np.flatnonzero(np.diff(rows[places]) > gap + 1)
    firsts, lasts = np.concatenate([[0], breaks + 1]), np.concatenate([breaks, [len(places) - 1]])
    return [(int(places[first]), int(places[last])) for first, last in zip(firsts, lasts, strict=True)]


def rates(true: int, found: int, wanted: int, hit: int) -> dict[str, float | None]:
    """Precision, true / found, and recall, hit / wanted; None where nothing was found, or wanted."""
    return {"precision": true / found if found else None, "recall": hit / wanted if wanted else None}


def row_rates(flags: Array, labels: Array) -> dict[str, Any]:
    """Counts, precision, recall and F1 of single rows. Shapes: (rows,) bool twice."""
    both, flagged, anomalous = int((flags & labels).sum()), int(flags.sum()), int(labels.sum())
    f1 = 2 * both / (flagged + anomalous) if flagged + anomalous else None
    counts = {"flagged": flagged, "anomalous": anomalous, "flagged_and_anomalous": both}
    return {**counts, **rates(both, flagged, anomalous, both), "f1": f1}


def window_rates(alarms: Sequence[tuple[int, int]], flags: Array, windows: Sequence[Array]) -> dict[str, Any]:
    """Counts, precision and recall of alarms and windows. Each of `windows` is a mask (rows,) with a scored row.

    A window is found where one of its rows is flagged; an alarm is true where one of its flagged rows is in a window.
    """
    inside = np.any(windows, axis=0) if windows else np.zeros(len(flags), bool)
    true = sum(bool((flags & inside)[first : last + 1].any()) for first, last in alarms)
    found = sum(bool((flags & window).any()) for window in windows)
    counts = {"windows": len(windows), "found": found, "missed": len(windows) - found}
    alarms_count = {"alarms": len(alarms), "false_alarms": len(alarms) - true}
    return {**counts, **alarms_count, **rates(true, len(alarms), len(windows), found)}
