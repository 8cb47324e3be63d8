"""Batches of sequences of about the same length: a step takes so many positions of each, and no more padding."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from dlrun.compiler.compile import Model
from dlrun.compiler.graph import Graph
from dlrun.config.run_config import RunConfig
from dlrun.data.dataset import Array, Split
from dlrun.data.random import permutation
from dlrun.data.signature import Feature, Signature
from dlrun.data.tokens import PADDING
from dlrun.errors import ConfigError, Problem
from dlrun.executor.executor import Executor, Outcome
from dlrun.executor.run_loop import FINISHED, STOPPED
from dlrun.plan import Plan, Region

PLACE = ("training", "buckets")
Progress = Callable[[str, int, int], None]
SHARED: tuple[Region, ...] = ("weights", "optimizer", "work")


@dataclass(frozen=True)
class Buckets:
    """Lengths, the last of which holds every row, and which of them each training row needs. `of_row`: (rows,)."""

    lengths: tuple[int, ...]
    of_row: Array

    def order(self, order: Array, batch: int, seed: int, epoch: int, shuffle: bool = True) -> Array:
        """Return an epoch's rows with those of a bucket side by side; `shuffle` puts the batches in a random order.

        The rows of the last batch, which isn't full, stay as they come.
        """
        whole = len(order) - len(order) % batch
        body = order[:whole]
        body = body[np.argsort(self.of_row[body], kind="stable")].reshape(-1, batch)
        if shuffle:
            body = body[permutation(len(body), seed, f"buckets/{epoch}")]
        return np.concatenate([body.reshape(-1), order[whole:]])

    def of_steps(self, table: Array, order: Array) -> Array:
        """Return the bucket of each step of a table: that of its longest row."""
        return np.array([self.of_row[order[first : first + rows]].max() for rows, _, first in table[:, :3]], np.int64)


def make_buckets(config: RunConfig, signature: Signature, split: Split) -> Buckets | None:
    """Return the buckets that a config asks for, or None. Raises ConfigError where the data don't fit."""
    limits = config.training.buckets
    if limits is None:
        return None
    sequences = [feature for feature in signature.inputs.values() if feature.kind == "sequence"]
    if not sequences:
        raise ConfigError([Problem(PLACE, "there are no sequences of tokens: no input has a pad")])
    for feature in sequences:
        _refuse_padding_at_start(config, feature.name)
    longest = max(feature.shape[0] for feature in sequences)
    needed = np.max([_lengths(split.inputs[feature.name]) for feature in sequences], axis=0)
    lengths = (*(limit for limit in limits if limit < longest), longest)
    of_row = np.searchsorted(lengths, needed)
    if not (of_row < len(lengths) - 1).any():
        raise ConfigError([Problem(PLACE, f"no training row is as short as {limits[-1]} tokens, so it saves nothing")])
    return Buckets(lengths, of_row)


def cut_signature(signature: Signature, config: RunConfig, length: int) -> Signature:
    """Return the signature of sequences of at most so many tokens."""
    inputs = {name: _cut_feature(feature, length) for name, feature in signature.inputs.items()}
    targets = {
        name: feature if config.data.targets[name].input is None else _cut_feature(feature, length)
        for name, feature in signature.targets.items()
    }
    return replace(signature, inputs=inputs, targets=targets)


def cut_split(split: Split, cut: Signature) -> Split:
    """Return a split's rows with as many tokens as the signature has."""

    def of(array: Array, feature: Feature) -> Array:
        return array if array.shape[1:] == feature.shape else np.ascontiguousarray(array[:, : feature.shape[0]])

    return replace(
        split,
        inputs={name: of(array, cut.inputs[name]) for name, array in split.inputs.items()},
        targets={name: of(array, cut.targets[name]) for name, array in split.targets.items()},
    )


def check_weights(graph: Graph, cut: Model) -> None:
    """Raise ConfigError unless the weights have the same shapes whatever the sequences' length."""
    for node, other in zip(graph.nodes.values(), cut.graph().nodes.values(), strict=True):
        for variable, shorter in zip(node.variables, other.variables, strict=True):
            if variable.shape != shorter.shape:
                name = f"{node.name}/{variable.name}"
                message = f"the shape of {name} depends on the sequences' length, which buckets change"
                raise ConfigError([Problem(PLACE, message, "give a positional_embedding its sequence_length")])


class BucketExecutor(Executor):
    """An executor of the longest sequences, with others for shorter ones: each step is run by the one its rows fit.

    They share the weights, the optimizer's state and the memory of a step.
    """

    def __init__(
        self,
        plan: Plan,
        threads: int,
        data: Mapping[str, Array],
        buckets: Buckets,
        cut: Sequence[tuple[Plan, Mapping[str, Array]]],
        progress: Progress | None = None,
    ) -> None:
        """Take the plan and data of the longest sequences, and `cut`, those of each of the shorter lengths."""
        super().__init__(plan, threads, data, progress=progress)
        self._buckets, self._stopping = buckets, False
        self._shorter = [Executor(plan, threads, data, self, progress, shared=SHARED) for plan, data in cut]
        self._running: Executor | None = None
        for executor in self._shorter:
            for region in SHARED[:2]:
                mine, other = plan.region(region), executor.plan.region(region)
                assert [(b.name, b.offset) for b in mine] == [(b.name, b.offset) for b in other]

    def run(
        self, table: Array, scalars: Array, poll: Callable[[int], None] | None = None, stamps: Array | None = None
    ) -> Outcome:
        """Run a step for each row of `table`; with `stamps`, of one plan, all with the longest sequences."""
        if stamps is not None:
            return super().run(table, scalars, poll, stamps)
        self._stopping = False
        bucket = self._buckets.of_steps(table, self.data["order"])
        edges = [0, *(np.flatnonzero(np.diff(bucket)) + 1).tolist(), len(table)]
        outcome = Outcome(0, FINISHED)
        for first, last in pairwise(edges):
            if self._stopping:
                return Outcome(first, STOPPED)
            found = self._run_by(int(bucket[first]), table[first:last], scalars[first:last], _later(poll, first))
            outcome = Outcome(first + found.steps, found.status)
            if not outcome.finished:
                break
        return outcome

    def _run_by(self, bucket: int, table: Array, scalars: Array, poll: Callable[[int], None] | None) -> Outcome:
        if bucket == len(self._shorter):
            return super().run(table, scalars, poll)
        self._running = self._shorter[bucket]
        try:
            return self._running.run(table, scalars, poll)
        finally:
            self._running = None

    def stop(self) -> None:
        """Ask the running steps to end at the current step's end."""
        self._stopping = True
        super().stop()
        running = self._running
        if running is not None:
            running.stop()


def _later(poll: Callable[[int], None] | None, steps: int) -> Callable[[int], None] | None:
    """Return what is to be called with the steps done, where so many were done before."""
    return None if poll is None else lambda done: poll(steps + done)


def _lengths(ids: Array) -> Array:
    """Return how many tokens each row has up to its last that is no padding. Shapes: (rows, time) → (rows,)."""
    real = ids != PADDING
    return np.asarray(np.where(real.any(axis=1), ids.shape[1] - real[:, ::-1].argmax(axis=1), 0))


def _cut_feature(feature: Feature, length: int) -> Feature:
    """Return a sequence of at most so many tokens, or the labels of one; another feature as it is."""
    if not feature.shape or feature.kind not in ("sequence", "labels"):
        return feature
    return replace(feature, shape=(min(feature.shape[0], length),))


def _refuse_padding_at_start(config: RunConfig, name: str) -> None:
    transforms = (config.data.inputs or {})[name].transforms or ()
    for index, transform in enumerate(transforms):
        if getattr(transform, "padding", None) == "start":
            place = ("data", "inputs", name, "transforms", index, "padding")
            raise ConfigError([Problem(place, "training.buckets cut off padding at the end: it can't be at the start")])
