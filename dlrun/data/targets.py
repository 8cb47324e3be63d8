"""Targets: classes become labels in a stable order, numbers keep the way back to their units."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from dlrun.data.config import TargetConfig
from dlrun.data.dataset import Array
from dlrun.data.layout import Layout
from dlrun.data.pipeline import FittedPipeline, Pipeline, Step, raw_layout
from dlrun.data.selection import Chosen
from dlrun.data.sources.base import Column
from dlrun.data.transforms.base import Chunks
from dlrun.data.transforms.categories import Categories
from dlrun.data.transforms.category import number_name
from dlrun.data.transforms.impute import Impute
from dlrun.data.transforms.log1p import Log1p
from dlrun.errors import ConfigError, DataError, Problem

MOST_CLASSES = 100
"""Whole numbers with more different values than these are taken for a quantity."""


class Classes(Categories):
    """The last step of a target of classes. `declared` are classes that the source knows, in its own order."""

    type: Literal["classes"] = "classes"  # type: ignore[assignment]
    declared: tuple[str, ...] | None = None

    def fit(self, chunks: Chunks, layout: Layout) -> dict[str, Any]:
        """The declared classes, or those of the training rows."""
        return super().fit(chunks, layout) if self.declared is None else {"categories": [list(self.declared)]}

    def refuse_unseen(self, indices: Array, array: Array, layout: Layout) -> None:
        """Raises DataError for a class that the network can't learn."""
        unseen = np.flatnonzero(indices[:, 0] < 0)
        if len(unseen):
            value = array[unseen[0], 0]
            name = layout.values[0][int(value)] if layout.kind == "text" else number_name(value)
            raise DataError(
                f"the target {layout.column_name(0)!r} has the class {name!r}, of which no training row is",
                help="a stratified split, or more training rows, would give it one",
            )

    def _refuse_missing(self, array: Array, layout: Layout) -> None:
        missing = int(np.count_nonzero(array < 0 if layout.kind == "text" else np.isnan(array)))
        if missing:
            raise DataError(
                f"the target {layout.column_name(0)!r} is missing in {missing} rows",
                help="leave them out with `transforms: [{type: impute, strategy: drop}]` in the target",
            )


def plan_target(
    name: str, chosen: Chosen, columns: tuple[Column, ...], arrays: Mapping[str, Array] | None, known: str | None
) -> Pipeline | None:
    """A target's way, or None where only the rows (`arrays`) can tell whether it holds classes.

    `known` is the kind that was found out in an earlier run, "classes" or "numbers".
    """
    config, key = chosen.config, f"targets/{name}"
    assert isinstance(config, TargetConfig)
    steps = tuple(
        Step(transform, (*chosen.path, "transforms", i), f"{key}/{i}")
        for i, transform in enumerate(config.transforms or ())
    )
    kind = known or _kind(config, columns, arrays)
    if kind is None:
        return None
    layout = raw_layout(columns, chosen.path)
    if kind == "classes" and layout.kind != "category":
        if layout.channels != 1 or len(layout.shape) > 1:
            message = f"classes are one value a row, but the target has the shape {layout.shape}"
            raise ConfigError([Problem(chosen.path, message, help="give several targets as a mapping of names")])
        declared = columns[0].values if columns[0].kind == "labels" else None
        steps += (Step(Classes(declared=declared), chosen.path, f"{key}/classes"),)
    _check_order(steps)
    single = config.columns is None and layout.shape == (1,)
    return Pipeline(name, chosen.path, chosen.columns, layout, steps, single)


def inverse(fitted: FittedPipeline) -> tuple[float | tuple[float, ...], float | tuple[float, ...], bool]:
    """(factor, shift, exponential): a prediction's way back is `p * factor + shift`, then exp(·) - 1 if so."""
    factor, shift, exponential = np.ones(1), np.zeros(1), False
    for step, layout, learned in zip(fitted.plan.steps, fitted.layouts, fitted.fitted, strict=False):
        exponential = exponential or isinstance(step.transform, Log1p)
        back = step.transform.inverse(layout, learned)
        if back is not None:
            shift = shift + factor * np.atleast_1d(back[1])
            factor = factor * np.atleast_1d(back[0])
    return _plain(factor), _plain(shift), exponential


def _plain(values: Array) -> float | tuple[float, ...]:
    return float(values[0]) if len(values) == 1 else tuple(float(value) for value in values)


def _kind(
    config: TargetConfig, columns: tuple[Column, ...], arrays: Mapping[str, Array] | None
) -> Literal["classes", "numbers"] | None:
    if config.kind != "auto":
        return config.kind
    column = columns[0]
    if column.kind == "labels" and len(columns) == 1:
        return "classes"
    if len(columns) > 1 or column.shape != ():
        return "numbers"
    if column.kind in ("text", "labels") or column.original == "bool":
        return "classes"
    if not column.original.startswith(("int", "uint")):
        return "numbers"
    if any(not isinstance(transform, Impute) for transform in config.transforms):
        return "numbers"
    if arrays is None:
        return None
    values = arrays[column.name]
    return "classes" if len(np.unique(values[~np.isnan(values)])) <= MOST_CLASSES else "numbers"


def _check_order(steps: tuple[Step, ...]) -> None:
    """log1p has to come first, or there is no plain way back to the target's units."""
    scaled = False
    for step in steps:
        if isinstance(step.transform, Log1p) and scaled:
            message = "a target's log1p must come before the transforms that scale it"
            raise ConfigError([Problem(step.path, message, help="otherwise predictions can't be turned back")])
        scaled = scaled or not isinstance(step.transform, Impute)
