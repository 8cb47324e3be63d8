"""The steps of an epoch: which rows each takes, and what an executor collected of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dlrun.executor.executor import Array, Executor


def run_all(executor: Executor, table: Array, goes_on: bool = False) -> None:
    """Run an executor over the steps of a table, without an optimizer; `goes_on` from the state of the run before."""
    if not goes_on:
        executor.forget()
    executor.run(table, np.zeros((len(table), 1)))


def step_table(first_step: int, rows: int, batch: int, drop_last: bool = False, group: int = 1) -> Array:
    """Return the live values of an epoch's steps, in the order of their words in dlrun.plan.

    They are: rows, step, first row, whether to apply, steps in the group so far, and number of the step in the epoch.
    Shape: (steps, 6) int64. Gradients are summed over groups of `group` steps; the last group may be shorter.
    """
    steps = rows // batch if drop_last and rows >= batch else -(-rows // batch)
    number = np.arange(steps)
    first = number * batch
    micro = number % group + 1
    apply = (micro == group) | (number == steps - 1)
    return np.stack([np.minimum(batch, rows - first), first_step + number, first, apply, micro, number], axis=1)


def mean_loss(executor: Executor, table: Array) -> float:
    """Return the mean loss over the rows of an epoch's first steps, as an executor collected it.

    The regularizers' penalty of each step counts for each of its rows, as in Keras.
    """
    rows = int(table[:, 0].sum())
    loss = float(np.mean(executor.data["out/losses"][:rows], dtype=np.float64))
    if "out/penalties" in executor.plan.buffers:
        penalties = executor.data["out/penalties"][: len(table)].astype(np.float64)
        loss += float(np.sum(penalties * table[:, 0]) / rows)
    return loss


def step_losses(executor: Executor, table: Array) -> Array:
    """Return the loss of each of an epoch's steps: the mean over its rows, with its penalty. Shape: (steps,)."""
    losses = executor.data["out/losses"]
    means = [np.mean(losses[first : first + rows], dtype=np.float64) for rows, _, first in table[:, :3]]
    found = np.array(means, np.float64)
    if "out/penalties" in executor.plan.buffers:
        found += executor.data["out/penalties"][table[:, 5]]
    return found


def mean_parts(executor: Executor, rows: int, weights: Mapping[str, float]) -> dict[str, float]:
    """Return the means over so many rows of parts of the loss, by name, each divided by its weight in the loss."""
    found = {name: executor.data[f"out/parts/{name}"][:rows] for name in weights}
    return {name: float(np.mean(part, dtype=np.float64)) / weights[name] for name, part in found.items()}
