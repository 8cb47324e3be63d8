"""A network's inside: its layers with the time of each, its weights and gradients as histograms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from dlrun.compiler.compile import compile_plan
from dlrun.compiler.lower import Goal
from dlrun.compiler.printer import layer_rows
from dlrun.compiler.updates import UpdateRule
from dlrun.executor.executor import Array, Executor
from dlrun.layers.base import shape_text
from dlrun.report.blocks import ORANGE, Block, Chart, Table, View, axes
from dlrun.report.numbers import histogram
from dlrun.training.profile import Profile
from dlrun.training.sampling import group_of
from dlrun.training.session import Session
from dlrun.training.steps import run_all, step_table

DIRECTIONS, OTHER = ("forward", "backward"), "other"
"""Which parts of a step have columns of their own; reading the data, the loss and so on share the last."""
ROWS = 256
"""Training rows that the gradients are the mean over."""


def layer_table(session: Session, profile: Profile | None) -> Table:
    """The layers in their order; with a profile the microseconds of each in a training step."""
    times: dict[str, dict[str, float]] = {}
    for row in profile.layer_rows() if profile is not None else ():
        direction = str(row["direction"]) if row["direction"] in DIRECTIONS else OTHER
        own = times.setdefault(str(row["layer"]), {})
        own[direction] = own.get(direction, 0.0) + float(row["us"])
    directions = [*DIRECTIONS, OTHER] if times else []
    known = {str(row["layer"]): row for row in layer_rows(session.graph)}
    rows = [_row(name, known.get(name), times, directions) for name in dict.fromkeys([*known, *times])]
    columns = ["layer", "type", "output", "parameters", "FLOPs of a sample", *(f"{each} µs" for each in directions)]
    if profile is not None:
        columns.append("share of a step")
        rows = [[*row, sum(times.get(str(row[0]), {}).values()) / 1e6 / profile.step_seconds] for row in rows]
    return Table("Layers", columns, rows, _step_text(profile))


def _row(name: str, layer: Mapping[str, Any] | None, times: Mapping[str, Any], directions: list[str]) -> list[Any]:
    own = times.get(name, {})
    shape = shape_text(tuple(layer["output_shape"])) if layer else ""
    facts = [layer["type"], shape, layer["parameters"], layer["flops"]] if layer else ["", "", None, None]
    return [name, *facts, *(own.get(direction) for direction in directions)]


def _step_text(profile: Profile | None) -> str:
    if profile is None:
        return ""
    found = profile.totals()
    return (
        f"A training step of {found['batch']:,} samples takes {found['step_us']:,.0f} µs on {found['threads']} threads "
        f"of the machine that wrote this report: {found['samples_per_second']:,.0f} samples/s."
    )


def weight_blocks(session: Session, weights: Mapping[str, Array]) -> list[Block]:
    """Histograms of each variable's numbers, and of the gradient at the end of the training."""
    if not weights:
        return []
    found = gradients(session, weights)
    views = [View(name, [histogram(np.asarray(array, np.float64).ravel())]) for name, array in weights.items()]
    blocks: list[Block] = [Chart("Weights", views, axes("", "numbers", showlegend=False, bargap=0))]
    if found:
        views = [View(name, [histogram(array, ORANGE)]) for name, array in found.items()]
        caption = f"The gradient of the loss over {min(ROWS, session.split('train').rows):,} training rows."
        blocks.append(Chart("Gradients", views, axes("", "numbers", showlegend=False, bargap=0), caption))
    return [*blocks, Table("Variables", *_variables(weights, found))]


def _variables(weights: Mapping[str, Array], found: Mapping[str, Array]) -> tuple[list[str], list[list[Any]]]:
    columns = ["variable", "shape", "mean", "deviation", "least", "largest", "gradient's norm"]
    rows: list[list[Any]] = []
    for name, array in weights.items():
        measures = [float(f(array)) for f in (np.mean, np.std, np.min, np.max)]
        norm = float(np.linalg.norm(found[name])) if name in found else None
        rows.append([name, shape_text(array.shape), *measures, norm])
    return columns, rows


def gradients(session: Session, weights: Mapping[str, Array]) -> dict[str, Array]:
    """The gradient of the mean loss over some training rows, by variable, float64, at these weights.

    One step forward and back, in training mode but without an update; variables that aren't trained have none.
    """
    split, config = session.split("train"), session.config
    group = group_of(config, session.dataset.signature)
    rows = max(1, min(ROWS, split.rows) // group) * group
    goal = Goal(training=True, gradients=True, keep=True, weighted=split.weights is not None)
    plan = compile_plan(session.model, goal, UpdateRule(), config.precision, rows, session.threads, config.seed)
    data = session.data_of(split, rows) | {"order": np.arange(rows, dtype=np.int64)}
    executor = Executor(plan, session.threads, data, progress=session.listener.compiling)
    for name, array in weights.items():
        executor.array(name)[:] = array.ravel()
    run_all(executor, step_table(0, rows, rows))
    return dict(_gradients(executor, weights))


def _gradients(executor: Executor, weights: Mapping[str, Array]) -> Iterator[tuple[str, Array]]:
    for name in weights:
        if f"gradient/{name}" in executor.plan.buffers:
            yield name, executor.array(f"gradient/{name}").astype(np.float64)
