"""A config and its data become executors: one network in memory, for training, evaluation and prediction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from dlrun.compiler.compile import Model, compile_plan
from dlrun.compiler.graph import Graph, node_names
from dlrun.compiler.lower import Goal
from dlrun.compiler.updates import OptimizerRule, UpdateRule, moving_averages
from dlrun.config.resolve import resolved_yaml
from dlrun.config.run_config import RunConfig
from dlrun.data.codec import fitted_to_json, signature_to_json
from dlrun.data.dataset import Dataset, Split
from dlrun.data.negatives import Seen, redraw, seen_of
from dlrun.data.random import generator
from dlrun.data.signature import Signature
from dlrun.data.streams import stream_order
from dlrun.errors import DataError, Path
from dlrun.executor.crew import Crew
from dlrun.executor.executor import Array, Executor
from dlrun.executor.memory import zeros
from dlrun.layers.base import Layer
from dlrun.metrics import Tracker
from dlrun.plan import Plan
from dlrun.runs.environment import versions
from dlrun.training.buckets import BucketExecutor, Buckets, check_weights, cut_signature, cut_split, make_buckets
from dlrun.training.events import Listener
from dlrun.training.heads import only, outputs_of, parts_of
from dlrun.training.ids import check_ids
from dlrun.training.ranking import Ranker
from dlrun.training.sampling import Sampling, group_of, make_sampling
from dlrun.training.sizes import EVALUATION_BATCH, MOST_OF_A_BATCH, choose_threads, rows_in_cache
from dlrun.training.stateful import stateful_nodes
from dlrun.training.steps import mean_loss, mean_parts, run_all, step_table

MOST_COLLECTED = 1 << 26
"""Numbers that predictions for sequences may take together, 256 MB of float32: a language model's are split up."""


def make_model(config: RunConfig, paths: Sequence[Path], signature: Signature) -> Model:
    """Return what the compiler needs of a config and its data."""
    return Model(network_layers(config), paths, signature, config.loss, config.data.augment, config.model.outputs)


def network_layers(config: RunConfig) -> tuple[Layer, ...]:
    """Return the config's layers; those that `initialize_from` freezes are not trainable."""
    frozen = set(config.initialize_from.freeze) if config.initialize_from else set()
    layers = config.model.layers
    return tuple(
        layer.model_copy(update={"trainable": False}) if name in frozen else layer
        for layer, name in zip(layers, node_names(layers), strict=True)
    )


class Session:
    """One network: its model, its data, and the executors that share its weights."""

    def __init__(
        self, config: RunConfig, paths: Sequence[Path], dataset: Dataset, listener: Listener | None = None
    ) -> None:
        self.config, self.dataset = config, dataset
        self.listener = listener or Listener()
        self.model = make_model(config, paths, dataset.signature)
        self.graph: Graph = self.model.graph()
        self.heads = outputs_of(config, self.graph, dataset.signature)
        self.parts = parts_of(self.heads, self.graph)
        self.threads = choose_threads(config.training.threads, self.graph, self._largest_batch())
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

    @cached_property
    def buckets(self) -> Buckets | None:
        """The lengths at which training steps are cut, where the config has any. Raises ConfigError."""
        return make_buckets(self.config, self.dataset.signature, self.split("train"))

    def epoch_order(self, epoch: int) -> Array:
        """Return the training rows of an epoch in their order: a function of the seed and the epoch's number."""
        if self.is_stateful:
            return stream_order(self.sampling.rows, self.batch_size)
        order = self.sampling.order(epoch)
        if self.buckets is None:
            return order
        return self.buckets.order(order, self.batch_size, self.config.seed, epoch, self.sampling.shuffle)

    @cached_property
    def is_stateful(self) -> bool:
        """Whether layers keep a state from one step to the next: rows are then those of streams, in their order."""
        return bool(stateful_nodes(self.graph))

    @property
    def batch_size(self) -> int:
        """Rows in a full training step."""
        size, rows = self.config.training.batch_size, self.sampling.rows
        return rows if size == "full" else min(size, rows)

    @cached_property
    def ranker(self) -> Ranker | None:
        """What ranks items for users; None where nothing is measured of that."""
        return Ranker(self) if any(metric.ranks for _, metric in self.config.all_metrics()) else None

    def draw_negatives(self, epoch: int) -> None:
        """Draw the items beside the training rows' choices for an epoch, where the config has any."""
        negatives, train = self.config.data.negatives, self.split("train")
        if negatives is not None:
            redraw(train, negatives, self._seen, self.config.seed, str(epoch))

    @cached_property
    def _seen(self) -> Seen:
        assert self.config.data.negatives is not None
        return seen_of(self.config.data.negatives, self.dataset.signature, self.split("train"))

    @cached_property
    def sampling(self) -> Sampling:
        """Which training rows an epoch takes. Raises ConfigError where they can't be resampled."""
        return make_sampling(self.config, self.dataset.signature, self.split("train"))

    def _largest_batch(self) -> int:
        """Return the rows of a training step; of data without training rows, those of an evaluation's."""
        return self.batch_size if "train" in self.dataset.splits else EVALUATION_BATCH

    @property
    def outputs(self) -> int:
        """Numbers that the network gives for a row."""
        return sum(head.size for head in self.heads)

    @property
    def measures_training(self) -> bool:
        """Whether metrics of the training rows are measured: not where their predictions would fill the memory."""
        if self.config.training.buckets is not None:
            return False
        return not self._is_sequence or self.split("train").rows * self.outputs <= MOST_COLLECTED

    @property
    def _is_sequence(self) -> bool:
        """Whether a target is a class at each position of a sequence."""
        return any(head.is_sequence for head in self.heads)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user is to know of the data and of what isn't measured."""
        notes = (*self.dataset.notes, *self.sampling.notes)
        if not self.config.all_metrics() or self.measures_training:
            return notes
        if self.config.training.buckets is not None:
            return (*notes, "metrics are measured on validation rows only: buckets collect no predictions")
        size = self.split("train").rows * self.outputs * np.dtype(self.config.precision).itemsize / 1e9
        left_out = f"metrics are measured on validation rows only: the training rows' predictions are {size:.1f} GB"
        return (*notes, left_out)

    def training_plan(self) -> Plan:
        """Compile the plan of a training step."""
        return self._training_plan(self.model)

    def _training_plan(self, model: Model) -> Plan:
        split = self.split("train")
        goal = Goal(
            training=True, gradients=True, weighted=split.weights is not None, predictions=self.measures_training
        )  # fmt: skip
        return self._compile(goal, OptimizerRule(self.config.optimizer), self.batch_size, model)

    def start_training(self) -> Executor:
        """Return the executor of training steps, with weights as they start."""
        split = self.split("train")
        data = self.data_of(split, self.sampling.rows, self.measures_training)
        data["order"] = np.zeros(self.sampling.rows, np.int64)
        plan, progress = self.training_plan(), self.listener.compiling
        if self.buckets is None:
            self.training = self._weights = Executor(plan, self.threads, data, progress=progress)
        else:
            cut = [self._cut(length, split, data) for length in self.buckets.lengths[:-1]]
            self.training = self._weights = BucketExecutor(plan, self.threads, data, self.buckets, cut, progress)
        self.draw_weights(self.training)
        return self.training

    def _cut(self, length: int, split: Split, data: Mapping[str, Array]) -> tuple[Plan, dict[str, Array]]:
        """Return the plan and data of training steps whose sequences have at most so many tokens."""
        signature = cut_signature(self.dataset.signature, self.config, length)
        model = replace(self.model, signature=signature)
        check_weights(self.graph, model)
        return self._training_plan(model), {**data, **_arrays(cut_split(split, signature))}

    def evaluator(self, name: str, split: Split | None = None, loss: bool = True) -> Executor:
        """Return the executor that evaluates a split with the network's present weights."""
        if name not in self._evaluators:
            rows = split or self.split(name)
            batch = min(EVALUATION_BATCH, rows.rows, MOST_OF_A_BATCH // self.outputs)
            apart = self.threads > 1 and batch >= 2 * self.threads and not self.is_stateful
            goal = Goal(training=False, loss=loss, weighted=loss and rows.weights is not None, apart=apart)
            plan = self._evaluation_plan(goal, batch)
            together = rows.rows
            if self._is_sequence and loss:
                together = min(together, max(1, MOST_COLLECTED // (self.outputs * plan.batch)) * plan.batch)
            data = self.data_of(rows, together) | {"order": np.arange(together, dtype=np.int64)}
            kind = Crew if apart else Executor
            executor = kind(plan, self.threads, data, self._weights, self.listener.compiling)
            self._weights = self._weights or executor
            self._evaluators[name] = executor
        return self._evaluators[name]

    def _evaluation_plan(self, goal: Goal, batch: int) -> Plan:
        """Return the plan of a batch, or of as large a part of it as the cache holds, for each thread if it is."""
        group, plans = group_of(self.config, self.dataset.signature), self.threads if goal.apart else 1
        batch = max(1, batch // plans // group) * group
        if self.is_stateful and isinstance(self.config.training.batch_size, int):
            batch = min(batch, self.config.training.batch_size)  # as many streams as in training
        plan = self._compile(goal, UpdateRule(), batch)
        rows = max(1, rows_in_cache(plan, plans) // group) * group
        return plan if rows == batch or self.is_stateful else self._compile(goal, UpdateRule(), rows)

    def draw_weights(self, executor: Executor) -> None:
        """Give every variable its start values: a function of the seed and the variable's name."""
        for node in self.graph.nodes.values():
            for variable in node.variables:
                name = f"{node.name}/{variable.name}"
                values = variable.initializer.draw(variable, generator(self.config.seed, f"weights/{name}"))
                executor.array(name)[:] = values.ravel()
        self.start_averages()

    def variables(self) -> dict[str, Array]:
        """Return views of the network's variables by name, in their shapes."""
        assert self._weights is not None
        return {name: self._weights.array(name).reshape(shape) for name, shape in self.weights_shapes().items()}

    def averages(self) -> dict[str, Array]:
        """Return views of the weights' moving averages (flat) by the weights' names; none without `use_ema`."""
        if self.training is None:
            return {}
        return {name: self.training.array(place) for name, place in moving_averages(self.training.plan).items()}

    def start_averages(self) -> None:
        """Let the moving averages be the weights as they are; the first update copies them anyway."""
        for name, average in self.averages().items():
            assert self.training is not None
            average[:] = self.training.array(name)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Put the moving averages, where they are kept, in the weights' place for a while: these are measured."""
        averages = self.averages()
        if not averages or self.training is None:
            yield
            return
        arena = self.training.arenas["weights"]
        kept = arena.copy()
        for name, average in averages.items():
            self.training.array(name)[:] = average
        try:
            yield
        finally:
            arena[:] = kept

    def weights_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the network's variables by name."""
        return {f"{node.name}/{v.name}": v.shape for node in self.graph.nodes.values() for v in node.variables}

    def evaluate(self, name: str, split: Split | None = None) -> tuple[dict[str, Any], Array]:
        """Do what `evaluate_all` does for a network with one output. Raises UsageError for one with several."""
        measures, predictions = self.evaluate_all(name, split)
        return measures, only(predictions)

    def evaluate_all(
        self,
        name: str,
        split: Split | None = None,
        watch: Callable[[Split, Array, Mapping[str, Array]], None] | None = None,
    ) -> tuple[dict[str, Any], dict[str, Array]]:
        """Return a split's loss (with the regularizers' penalties), its parts, metrics, and predictions by target.

        Shapes of the predictions: (rows, *output). With `optimizer.use_ema` the network is measured with the moving
        averages of its weights. Rows whose predictions would fill the memory are measured part by part; the predictions
        are then those of the last part. `watch` sees all parts: the split, the numbers of a part's rows, and their
        predictions by target.
        """
        rows = split or self.split(name)
        executor = self.evaluator(name, split)
        together = len(executor.data["order"])
        trackers, loss = self._trackers(), 0.0
        parts = dict.fromkeys(self.parts, 0.0)
        with self.averaged():
            order = self._evaluation_order(executor, rows.rows)
            for start in range(0, rows.rows, together):
                index = order[start : start + together]
                executor.data["order"][: len(index)] = index
                table = step_table(0, len(index), executor.plan.batch)
                run_all(executor, table, goes_on=start > 0)
                share = len(index) / rows.rows
                loss += mean_loss(executor, table) * share
                for part, mean in mean_parts(executor, len(index), self.parts).items():
                    parts[part] += mean * share
                predictions = self.all_predictions(executor, len(index))
                self._update(trackers, rows, index, predictions)
                if watch is not None:
                    watch(rows, index, predictions)
            ranked = self.ranker.measure(rows) if self.ranker is not None and name != "train" else {}
        measures = {"loss": loss, **parts, **self._results(trackers), **ranked}
        return measures, predictions if together < rows.rows else _in_order(predictions, order)

    def _evaluation_order(self, executor: Executor, rows: int) -> Array:
        """Return the order in which an evaluation takes so many rows."""
        return stream_order(rows, executor.plan.batch) if self.is_stateful else np.arange(rows, dtype=np.int64)

    def predict(self, split: Split) -> Array:
        """Return the predictions for rows without targets. Raises UsageError for a network with several outputs."""
        return only(self.predict_all(split))

    def predict_all(self, split: Split) -> dict[str, Array]:
        """Return the predictions for rows without targets, by target."""
        executor = self.evaluator("", split, loss=False)
        order = executor.data["order"][:] = self._evaluation_order(executor, split.rows)
        run_all(executor, step_table(0, split.rows, executor.plan.batch))
        return _in_order(self.all_predictions(executor, split.rows), order)

    def predictions(self, executor: Executor, rows: int) -> Array:
        """Return what an executor collected, (rows, *output). Raises UsageError for a network with several outputs."""
        return only(self.all_predictions(executor, rows))

    def all_predictions(self, executor: Executor, rows: int) -> dict[str, Array]:
        """Return what an executor collected, (rows, *output), by target."""
        return {
            head.target.name: executor.data[f"out/{head.head.predictions}"][:rows].reshape(rows, *head.shape)
            for head in self.heads
        }

    def measure(self, split: Split, index: Array, predictions: Array) -> dict[str, Any]:
        """Do what `measure_all` does for a network with one output."""
        return self.measure_all(split, index, {only(self.dataset.signature.targets).name: predictions})

    def measure_all(self, split: Split, index: Array, predictions: Mapping[str, Array]) -> dict[str, Any]:
        """Return the config's metrics for predictions of the rows `index` of a split; numbers in the data's units."""
        trackers = self._trackers()
        self._update(trackers, split, index, predictions)
        return self._results(trackers)

    def _trackers(self) -> list[list[Tracker]]:
        """Return a tracker for each of the config's metrics, head by head."""
        return [head.trackers() for head in self.heads]

    def _update(
        self, trackers: Sequence[list[Tracker]], split: Split, index: Array, predictions: Mapping[str, Array]
    ) -> None:
        """Let the trackers see the predictions for the rows `index` of a split."""
        for head, own in zip(self.heads, trackers, strict=True):
            head.update(own, split, index, predictions[head.target.name])

    def _results(self, trackers: Sequence[list[Tracker]]) -> dict[str, Any]:
        """Return what trackers have counted, by name."""
        found: dict[str, Any] = {}
        for head, own in zip(self.heads, trackers, strict=True):
            found |= head.results(own)
        return found

    def _compile(self, goal: Goal, updates: UpdateRule, batch: int, model: Model | None = None) -> Plan:
        config, threads = self.config, 1 if goal.apart else self.threads
        return compile_plan(model or self.model, goal, updates, config.precision, batch, threads, config.seed)

    def data_of(self, split: Split, rows: int, predictions: bool = True) -> dict[str, Array]:
        """Return the arrays that a plan's data buffers stand for, those that it fills with so many rows.

        Raises DataError for ids that no embedding has.
        """
        check_ids(self.graph, self.dataset.signature, split)
        data = _arrays(split)
        if split.weights is not None:
            data["data/sample_weights"] = split.weights
        data["out/losses"] = zeros(rows, self.config.precision)
        data["out/penalties"] = zeros(rows, self.config.precision)  # at most a step for each row
        for part in self.parts:
            data[f"out/parts/{part}"] = zeros(rows, self.config.precision)
        for head in self.heads if predictions else ():
            data[f"out/{head.head.predictions}"] = zeros((rows, head.size), self.config.precision)
        return data


def _in_order(predictions: Mapping[str, Array], order: Array) -> dict[str, Array]:
    """Return predictions for the rows `order`, (rows, ...), in the order of the rows' numbers."""
    if np.array_equal(order, np.arange(len(order))):
        return dict(predictions)
    places = np.argsort(order)
    return {name: array[places] for name, array in predictions.items()}


def _arrays(split: Split) -> dict[str, Array]:
    """Return a split's inputs and targets by the names of the plan's buffers."""
    arrays = {f"data/inputs/{name}": array for name, array in split.inputs.items()}
    return arrays | {f"data/targets/{name}": array for name, array in split.targets.items()}
