"""Permutation importance: how much worse a network gets when a column of its table is shuffled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlrun.data.dataset import Split
from dlrun.data.layout import real
from dlrun.data.pipeline import FittedPipeline, gather
from dlrun.data.prepare import Prepared
from dlrun.data.random import permutation
from dlrun.data.series import Series
from dlrun.errors import UsageError
from dlrun.executor.executor import Array
from dlrun.metrics import scalars
from dlrun.training.session import Session

NAME = "explained"
"""Under which the session keeps the evaluator of the rows that are shuffled."""


@dataclass(frozen=True)
class Importance:
    """How much worse each measure is with one column shuffled: mean and standard deviation over the repeats."""

    column: str
    mean: Mapping[str, float]
    spread: Mapping[str, float]


@dataclass(frozen=True)
class _Column:
    """A column of the source, or one entry of a column of arrays."""

    name: str
    column: str
    entry: int | None = None


def permutation_importance(
    session: Session, split: Split, prepared: Prepared, inputs: Sequence[str], repeats: int, load: Callable[[], None]
) -> tuple[dict[str, float], list[Importance]]:
    """(the measures as they are, each column's importance, the largest increase of the loss first).

    Every column of the source behind these inputs is shuffled among the split's rows (of a series among its windows,
    each as a whole) before any transform, so that all numbers that a category became move together; `repeats` times, by
    the run's seed. Larger is more important for every
    measure: a loss's increase, an accuracy's decrease. `load` gives the session its trained weights.
    Raises: UsageError where negatives are drawn.
    Source: L. Breiman, "Random forests" (Machine Learning 45, 2001), section 10, on held-out rows.
    """
    if session.config.data.negatives is not None:
        way_out = f"dlrun recommend {session.config.name} shows what it does for a user"
        raise UsageError("shuffled users and items would say nothing of a network that ranks items", way_out)
    rows = Split(
        {name: array.copy() for name, array in split.inputs.items()},
        {name: array.copy() for name, array in split.targets.items()}, split.weights, split.index,
    )  # fmt: skip
    places, length = _places(prepared.series, split.index)
    raw = {name: prepared.raw.arrays[name][places] for name in _source_columns(prepared, inputs)}
    features = {name: prepared.inputs[name] for name in inputs}
    session.evaluator(NAME, rows)
    load()
    signs = _signs(session)
    base = scalars(session.evaluate_all(NAME, rows)[0])
    found = []
    for column in _columns(raw):
        changes: dict[str, list[float]] = {name: [] for name in base}
        for repeat in range(repeats):
            order = permutation(split.rows, session.config.seed, f"explain/{column.name}/{repeat}")
            order = (order[:, np.newaxis] * length + np.arange(length)).reshape(-1)
            _put(rows, features, {**raw, column.column: _shuffled(raw[column.column], column, order)}, column.column)
            for name, value in scalars(session.evaluate_all(NAME, rows)[0]).items():
                changes[name].append(signs.get(name, 1) * (value - base[name]))
        _put(rows, features, raw, column.column)
        mean = {name: float(np.mean(values)) for name, values in changes.items()}
        spread = {name: float(np.std(values, ddof=1)) if repeats > 1 else 0.0 for name, values in changes.items()}
        found.append(Importance(column.name, mean, spread))
    return base, sorted(found, key=lambda importance: -importance.mean["loss"])


def _places(series: Series | None, index: Array) -> tuple[Array, int]:
    """(the source's rows of which these rows are made, how many each): one, or those of a series' window."""
    if series is None:
        return index, 1
    begins = index - series.before
    return (begins[:, np.newaxis] + np.arange(series.length)).reshape(-1), series.length


def _source_columns(prepared: Prepared, inputs: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(column for name in inputs for column in prepared.inputs[name].plan.columns))


def _columns(raw: Mapping[str, Array]) -> Iterator[_Column]:
    """Columns of single values as they are, of arrays each entry of the last axis: a variable of a series, say."""
    for name, array in raw.items():
        if array.ndim == 1:
            yield _Column(name, name)
        else:
            yield from (_Column(f"{name}[{entry}]", name, entry) for entry in range(array.shape[-1]))


def _shuffled(array: Array, column: _Column, order: Array) -> Array:
    if column.entry is None:
        return np.asarray(array[order])
    result = array.copy()
    result[..., column.entry] = array[order][..., column.entry]
    return result


def _put(rows: Split, features: Mapping[str, FittedPipeline], raw: Mapping[str, Array], column: str) -> None:
    """Transform these raw rows into the inputs that the column is part of."""
    for name, feature in features.items():
        if column in feature.plan.columns:
            applied = feature.apply(gather(feature.plan, raw, slice(None)))
            if rows.inputs[name].ndim > applied.ndim:  # windows of a series
                applied = real(applied, feature.layout).reshape(rows.inputs[name].shape)
            rows.inputs[name][...] = applied


def _signs(session: Session) -> dict[str, int]:
    """-1 for measures of which more is better."""
    return {name: -1 if metric.direction == "max" else 1 for head in session.heads for name, metric in head.names()}


def importance_rows(found: Sequence[Importance]) -> list[dict[str, Any]]:
    """A row for each column: each measure's mean and its spread."""
    return [
        {
            "column": importance.column,
            **{
                key: value
                for name, mean in importance.mean.items()
                for key, value in ((name, mean), (f"{name} ±", importance.spread[name]))
            },
        }
        for importance in found
    ]
