"""Checks of a network by itself: are its gradients right, and can it learn a single batch?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dlrun.compiler.compile import compile_plan
from dlrun.compiler.lower import Goal
from dlrun.compiler.updates import OptimizerRule, UpdateRule
from dlrun.config.load import LoadedConfig
from dlrun.data.dataset import Split
from dlrun.data.load import load
from dlrun.data.random import generator
from dlrun.executor.executor import Array, Executor
from dlrun.training.sampling import group_of
from dlrun.training.session import Session
from dlrun.training.steps import run_all, step_table

ROWS = 4
"""Rows in the gradient check: each costs two forward passes for each entry that is looked at."""
ENTRIES = 20
"""Entries of each variable that are compared, chosen at random."""
DELTA = 1e-5
AWAY = 0.01
"""The deviation by which weights are moved off the kinks that many of them start on."""
TOLERANCE = 1e-4
"""The largest |numeric - computed| / max(|numeric|, |computed|, 1e-3) that passes. Central differences in float64 err
by some 1e-8; a ReLU or a maximum that switches within the step errs more, hence the room and the share allowed."""
SWITCHES = 0.05
"""The share of entries that may differ because a kink lies within the step."""
OVERFIT_ROWS = 32
OVERFIT_STEPS = 400
OVERFIT_SHARE = 0.5
"""Overfitting a batch must at least bring the loss down to this share of what it was."""


@dataclass(frozen=True)
class VariableCheck:
    """How far a variable's gradient is from central differences."""

    variable: str
    entries: int
    largest_error: float
    different: int

    @property
    def passed(self) -> bool:
        """Whether all but the few entries with a kink agree."""
        return (
            self.different <= max(1, int(self.entries * SWITCHES)) if self.entries >= ENTRIES else self.different == 0
        )


@dataclass(frozen=True)
class Report:
    """Both checks' results."""

    gradients: tuple[VariableCheck, ...]
    loss_before: float
    loss_after: float

    @property
    def overfits(self) -> bool:
        """Whether one batch was learned."""
        return self.loss_after < OVERFIT_SHARE * self.loss_before

    @property
    def passed(self) -> bool:
        """Whether both checks hold."""
        return all(check.passed for check in self.gradients) and self.overfits

    def gradient_rows(self) -> list[dict[str, Any]]:
        """Return the table of the gradient check."""
        return [
            {
                "variable": c.variable,
                "entries": c.entries,
                "largest relative error": c.largest_error,
                "result": "ok" if c.passed else "WRONG",
            }
            for c in self.gradients
        ]

    def summary(self) -> str:
        """Return the verdict in words."""
        wrong = [c.variable for c in self.gradients if not c.passed]
        gradients = (
            f"gradients differ from central differences: {', '.join(wrong)}"
            if wrong
            else "gradients agree with central differences"
        )
        verb = "was overfitted" if self.overfits else "could not be overfitted"
        losses = f"{self.loss_before:.4g} → {self.loss_after:.4g}"
        return f"{gradients}\none batch {verb}: loss {losses} in {OVERFIT_STEPS} steps"

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON-able values."""
        return {
            "passed": self.passed, "gradients": self.gradient_rows(), "loss_before": self.loss_before,
            "loss_after": self.loss_after, "overfits": self.overfits,
        }  # fmt: skip


def check_network(loaded: LoadedConfig) -> Report:
    """Run both checks on the network of a config, on rows of its own data."""
    dataset = load(loaded.config.data, loaded.config.seed)
    session = Session(loaded.config, loaded.layer_paths, dataset)
    split = session.split("train")
    before, after = overfit(session, split)
    return Report(check_gradients(session, split), before, after)


def check_gradients(session: Session, split: Split) -> tuple[VariableCheck, ...]:
    """Compare gradients with central differences in float64, near the start weights, without augmentation."""
    rows = _whole_groups(session, min(ROWS, split.rows))
    goal = Goal(training=True, gradients=True, keep=True)
    plan = compile_plan(session.model, goal, UpdateRule(), "float64", rows, session.threads, session.config.seed)
    executor = Executor(plan, session.threads, _data(session, split, rows, "float64"))
    session.draw_weights(executor)
    _leave_kinks(session, executor)
    start = executor.arenas["weights"].copy()
    table = step_table(0, rows, rows)

    def loss() -> float:
        run_all(executor, table)
        return float(executor.array("losses")[:rows].mean())

    loss()
    names = [name for name in session.weights_shapes() if f"gradient/{name}" in plan.buffers]
    gradients = {name: executor.array(f"gradient/{name}").copy() for name in names}
    random = np.random.default_rng(session.config.seed)
    results = []
    for name in names:
        place = executor.array(name)
        chosen = random.choice(place.size, min(ENTRIES, place.size), replace=False)
        errors = []
        for index in chosen:
            values = []
            for sign in (1, -1):
                executor.arenas["weights"][:] = start
                place[index] += sign * DELTA
                values.append(loss())
            numeric, computed = (values[0] - values[1]) / (2 * DELTA), gradients[name][index]
            errors.append(abs(numeric - computed) / max(abs(numeric), abs(computed), 1e-3))
        executor.arenas["weights"][:] = start
        results.append(VariableCheck(name, len(chosen), float(max(errors)), sum(e > TOLERANCE for e in errors)))
    return tuple(results)


def _leave_kinks(session: Session, executor: Executor) -> None:
    """Move every trained number a little: a bias of 0 puts a ReLU over an empty patch of an image right on its kink."""
    for name in session.weights_shapes():
        if f"gradient/{name}" in executor.plan.buffers:
            place = executor.array(name)
            place += AWAY * generator(session.config.seed, f"check/{name}").standard_normal(place.size)


def overfit(session: Session, split: Split) -> tuple[float, float]:
    """Train on one batch alone, with the config's optimizer; return the loss before and after."""
    rows = _whole_groups(session, min(OVERFIT_ROWS, split.rows))
    config = session.config
    goal = Goal(training=True, gradients=True, weighted=split.weights is not None)
    plan = compile_plan(
        session.model, goal, OptimizerRule(config.optimizer), config.precision, rows, session.threads, config.seed
    )
    executor = Executor(plan, session.threads, _data(session, split, rows, config.precision))
    session.draw_weights(executor)
    steps = np.arange(OVERFIT_STEPS)
    table = np.repeat(step_table(0, rows, rows), OVERFIT_STEPS, axis=0)
    table[:, 1] = steps
    scalars = config.optimizer.scalars(steps, np.full(OVERFIT_STEPS, config.optimizer.learning_rate))
    executor.run(table[:1], scalars[:1])
    before = float(executor.data["out/losses"][:rows].mean())
    executor.run(table[1:], scalars[1:])
    return before, float(executor.data["out/losses"][:rows].mean())


def _whole_groups(session: Session, rows: int) -> int:
    """Return the least number of rows, at least `rows`, that divides no group that the loss compares."""
    group = group_of(session.config, session.dataset.signature)
    return -(-rows // group) * group


def _data(session: Session, split: Split, rows: int, precision: str) -> dict[str, Array]:
    data = session.data_of(split, rows) | {"order": np.arange(rows, dtype=np.int64)}
    return data | {name: array.astype(precision) for name, array in data.items() if name.startswith("out/")}
