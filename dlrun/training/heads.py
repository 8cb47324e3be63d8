"""A network's heads as training and evaluation see them: what each predicts, and how good that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from dlrun.compiler.graph import Graph
from dlrun.compiler.heads import Head, heads_of
from dlrun.config.run_config import RunConfig
from dlrun.data.dataset import Array, Split
from dlrun.data.signature import Feature, Signature
from dlrun.errors import UsageError
from dlrun.metrics import Metric, Tracker

T = TypeVar("T")


@dataclass(frozen=True)
class Output:
    """One output of a network: the head it belongs to, its target, its shape, and what is measured of it."""

    head: Head
    target: Feature
    shape: tuple[int, ...]
    metrics: tuple[Metric, ...]

    @property
    def prefix(self) -> str:
        """What the names of its measures begin with: the target's name where there are several."""
        return f"{self.head.name}/" if self.head.name else ""

    @property
    def size(self) -> int:
        """How many numbers it gives for a row."""
        return int(np.prod(self.shape))

    @property
    def is_sequence(self) -> bool:
        """Whether the target is a class at each position of a sequence."""
        return self.target.kind == "labels" and self.target.shape != ()

    def trackers(self) -> list[Tracker]:
        """Return a tracker for each metric of the rows' predictions."""
        return [metric.start(self.target, self.shape[-1]) for metric in self.metrics if not metric.ranks]

    def names(self) -> list[tuple[str, Metric]]:
        """Return the names of the numbers that these metrics give, each with its metric."""
        return [
            (f"{self.prefix}{name}", metric)
            for metric in self.metrics
            if not metric.ranks
            for name in metric.names(self.target, self.shape[-1])
        ]

    def update(self, trackers: Sequence[Tracker], split: Split, index: Array, predictions: Array) -> None:
        """Let trackers see the predictions for the rows `index` of a split; numbers in the data's own units."""
        if not trackers:
            return
        target = self.target
        truth = split.targets[target.name][index]
        if target.kind != "labels":
            truth = target.to_units(truth * np.asarray(target.scale) + np.asarray(target.offset))
            predictions = target.to_units(predictions)
        weights = None if split.weights is None else split.weights[index]
        for tracker in trackers:
            tracker.update(truth, predictions, weights)

    def results(self, trackers: Sequence[Tracker]) -> dict[str, Any]:
        """Return what trackers have counted, by name."""
        return {f"{self.prefix}{name}": value for tracker in trackers for name, value in tracker.result().items()}


def outputs_of(config: RunConfig, graph: Graph, signature: Signature) -> tuple[Output, ...]:
    """Return a network's outputs in the order of its losses; `graph` is that of the config, with nothing fused."""
    return tuple(
        Output(
            head,
            signature.targets[head.target],
            graph.nodes[graph.outputs[head.target]].output_shape,
            config.metrics_of(head.target),
        )
        for head in heads_of(config.loss, signature)
    )


def parts_of(outputs: Sequence[Output], graph: Graph) -> dict[str, float]:
    """Return the parts of the loss that are reported beside it, each with the weight that it is divided by.

    They are each target's own loss, where there are several, and the terms that layers add.
    """
    parts = {output.head.part: output.head.loss.weight for output in outputs if output.head.part is not None}
    return parts | {node.layer.adds_loss: 1.0 for node in graph.nodes.values() if node.layer.adds_loss is not None}


def only(values: Mapping[str, T]) -> T:
    """Return what belongs to the only target. Raises UsageError where there are several."""
    if len(values) > 1:
        raise UsageError(f"this network has several outputs ({', '.join(values)}), and only one can be used here")
    return next(iter(values.values()))
