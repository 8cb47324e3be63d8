"""A config and its data become executors: one network in memory, for training, evaluation and prediction."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from dlrun.compiler.compile import Model, compile_plan
from dlrun.compiler.graph import Graph
from dlrun.compiler.lower import Goal
from dlrun.compiler.updates import OptimizerRule, UpdateRule
from dlrun.config.resolve import resolved_yaml
from dlrun.config.run_config import RunConfig
from dlrun.data.codec import fitted_to_json, signature_to_json
from dlrun.data.dataset import Dataset, Split
from dlrun.data.random import generator
from dlrun.data.signature import Signature
from dlrun.errors import DataError, Path
from dlrun.executor.executor import Array, Executor
from dlrun.metrics import Tracker
from dlrun.plan import Plan
from dlrun.runs.environment import versions
from dlrun.training.events import Listener

EVALUATION_BATCH = 256


def available_threads(threads: int | str) -> int:
    """Return the number of threads: as given, or for "auto" one for each core this process may use."""
    if isinstance(threads, int):
        return threads
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def make_model(config: RunConfig, paths: Sequence[Path], signature: Signature) -> Model:
    """Return what the compiler needs of a config and its data."""
    return Model(config.model.layers, paths, signature, config.loss, config.data.augment)


class Session:
    """One network: its model, its data, and the executors that share its weights."""

    def __init__(self, config: RunConfig, paths: Sequence[Path], dataset: Dataset, listener: Listener | None = None) -> None:
        self.config, self.dataset = config, dataset
        self.listener = listener or Listener()
        self.threads = available_threads(config.training.threads)
        self.model = make_model(config, paths, dataset.signature)
        self.graph: Graph = self.model.graph()
        self.training: Executor | None = None
        self._evaluators: dict[str, Executor] = {}
        self._weights: Executor | None = None

    @cached_property
    def description(self) -> dict[str, Any]:
        """What a checkpoint says of its run, whatever the step: JSON-able."""
        return {
            "config": resolved_yaml(self.config),
            "signature": signature_to_json(self.dataset.signature),
            "fitted": fitted_to_json(self.dataset.fitted),
            "fingerprint": self.dataset.fingerprint,
            "variant": self.dataset.variant,
            "seed": self.config.seed,
            "versions": dict(versions()),
        }

    def split(self, name: str) -> Split:
        """Return a split of the data. Raises DataError where there is none of that name."""
        found = self.dataset.splits.get(name)
        if found is None or not found.rows:
            raise DataError(f"the data have no {name} split", f"splits: {', '.join(self.dataset.splits)}")
        return found

    @property
    def batch_size(self) -> int:
        """Rows in a full training step."""
        size, rows = self.config.training.batch_size, self.split("train").rows
        return rows if size == "full" else min(size, rows)

    def training_plan(self) -> Plan:
        """Compile the plan of a training step."""
        split = self.split("train")
        goal = Goal(training=True, gradients=True, weighted=split.weights is not None)
        return self._compile(goal, OptimizerRule(self.config.optimizer), self.batch_size)

    def start_training(self) -> Executor:
        """Return the executor of training steps, with weights as they start."""
        split = self.split("train")
        data = self.data_of(split, split.rows) | {"order": np.zeros(split.rows, np.int64)}
        self.training = self._weights = Executor(self.training_plan(), self.threads, data, progress=self.listener.compiling)
        self.draw_weights(self.training)
        return self.training

    def evaluator(self, name: str, split: Split | None = None, loss: bool = True) -> Executor:
        """Return the executor that evaluates a split with the network's present weights."""
        if name not in self._evaluators:
            rows = split or self.split(name)
            goal = Goal(training=False, loss=loss, weighted=loss and rows.weights is not None)
            plan = self._compile(goal, UpdateRule(), min(EVALUATION_BATCH, rows.rows))
            data = self.data_of(rows, rows.rows) | {"order": np.arange(rows.rows, dtype=np.int64)}
            executor = Executor(plan, self.threads, data, self._weights, self.listener.compiling)
            self._weights = self._weights or executor
            self._evaluators[name] = executor
        return self._evaluators[name]

    def draw_weights(self, executor: Executor) -> None:
        """Give every variable its start values: a function of the seed and the variable's name."""
        for node in self.graph.nodes.values():
            for variable in node.variables:
                name = f"{node.name}/{variable.name}"
                values = variable.initializer.draw(variable, generator(self.config.seed, f"weights/{name}"))
                executor.array(name)[:] = values.ravel()

    def variables(self) -> dict[str, Array]:
        """Return views of the network's variables by name, in their shapes."""
        assert self._weights is not None
        return {name: self._weights.array(name).reshape(shape) for name, shape in self.weights_shapes().items()}

    def weights_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the network's variables by name."""
        return {f"{node.name}/{v.name}": v.shape for node in self.graph.nodes.values() for v in node.variables}

    def evaluate(self, name: str, split: Split | None = None) -> tuple[dict[str, Any], Array]:
        """Return the loss and metrics of a split, and the predictions (rows, *output)."""
        rows = split or self.split(name)
        executor = self.evaluator(name, split)
        run_all(executor, rows.rows, executor.plan.batch)
        losses, predictions = executor.data["out/losses"], self.predictions(executor, rows.rows)
        results: dict[str, Any] = {"loss": float(np.mean(losses[: rows.rows], dtype=np.float64))}
        results |= self.measure(rows, np.arange(rows.rows), predictions)
        return results, predictions

    def predict(self, split: Split) -> Array:
        """Return the predictions for rows without targets."""
        executor = self.evaluator("", split, loss=False)
        run_all(executor, split.rows, executor.plan.batch)
        return self.predictions(executor, split.rows)

    def predictions(self, executor: Executor, rows: int) -> Array:
        """Return what an executor collected, (rows, *output)."""
        return executor.data["out/predictions"][:rows].reshape(rows, *self.graph.output.output_shape)

    def measure(self, split: Split, index: Array, predictions: Array) -> dict[str, Any]:
        """Return the config's metrics for predictions of the rows `index` of a split."""
        if not self.config.metrics:
            return {}
        target = self.dataset.signature.target
        truth = split.targets[target.name][index]
        if target.kind != "labels":
            truth = truth * np.asarray(target.scale) + np.asarray(target.offset)
        weights = None if split.weights is None else split.weights[index]
        results: dict[str, Any] = {}
        for metric in self.config.metrics:
            tracker: Tracker = metric.start(target, self.graph.output.output_shape[-1])
            tracker.update(truth, predictions, weights)
            results |= tracker.result()
        return results

    def _compile(self, goal: Goal, updates: UpdateRule, batch: int) -> Plan:
        config = self.config
        return compile_plan(self.model, goal, updates, config.precision, batch, self.threads, config.seed)

    def data_of(self, split: Split, rows: int) -> dict[str, Array]:
        """Return the arrays that a plan's data buffers stand for."""
        outputs = int(np.prod(self.graph.output.output_shape))
        data: dict[str, Array] = {f"data/inputs/{name}": array for name, array in split.inputs.items()}
        data |= {f"data/targets/{name}": array for name, array in split.targets.items()}
        if split.weights is not None:
            data["data/sample_weights"] = split.weights
        data["out/losses"] = np.zeros(rows, self.config.precision)
        data["out/predictions"] = np.zeros((rows, outputs), self.config.precision)
        return data


def run_all(executor: Executor, rows: int, batch: int) -> None:
    """Run an executor once over all rows in order."""
    executor.run(step_table(0, rows, batch), np.zeros((-(-rows // batch), 1)))


def step_table(first_step: int, rows: int, batch: int, drop_last: bool = False, group: int = 1) -> Array:
    """Return the live values of an epoch's steps: rows, step, first row, whether to apply, steps in the group so far.

    Shape: (steps, 5) int64. Gradients are summed over groups of `group` steps; the last group may be shorter.
    """
    steps = rows // batch if drop_last and rows >= batch else -(-rows // batch)
    number = np.arange(steps)
    first = number * batch
    micro = number % group + 1
    apply = (micro == group) | (number == steps - 1)
    return np.stack([np.minimum(batch, rows - first), first_step + number, first, apply, micro], axis=1)


def variables_hash(variables: Mapping[str, Array]) -> str:
    """Return the SHA-256 of all weights, as the tests of determinism compare it."""
    from dlrun.runs.checkpoint import hash_tensors

    return hash_tensors(variables)
