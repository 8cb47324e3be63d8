"""The compiler: one straight list of passes from a graph to a plan that is placed and verified."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dlrun.compiler.augment_calls import augmentation_problems
from dlrun.compiler.graph import Graph, build_graph, node_names
from dlrun.compiler.heads import Losses, heads_of
from dlrun.compiler.lower import Goal, Lowering
from dlrun.compiler.outputs import outputs_of, useless_layers
from dlrun.compiler.passes.advance import advance
from dlrun.compiler.passes.barriers import set_barriers
from dlrun.compiler.passes.fold import fold_normalizations
from dlrun.compiler.passes.fuse import fuse_link, fuse_pool, fuse_relu
from dlrun.compiler.passes.gather import follow_readers
from dlrun.compiler.passes.hoist import hoist
from dlrun.compiler.passes.lookup import fuse_lookups
from dlrun.compiler.passes.order import order_calls
from dlrun.compiler.passes.place import place
from dlrun.compiler.passes.steps import join_steps
from dlrun.compiler.passes.verify import verify
from dlrun.compiler.updates import UpdateRule
from dlrun.data.augment.base import Augmentation
from dlrun.data.signature import Signature
from dlrun.errors import ConfigError, Path, Problem, ShapeError
from dlrun.kernels.lang import Precision
from dlrun.layers.base import Layer
from dlrun.losses.base import Loss
from dlrun.plan import Plan


@dataclass(frozen=True)
class Model:
    """What a plan is compiled from: layers with their places in the config, loss, and what the data look like."""

    layers: Sequence[Layer]
    paths: Sequence[Path]
    signature: Signature
    loss: Losses
    augment: Sequence[Augmentation] = ()
    outputs: Mapping[str, str] | None = None
    """The layers that give the targets' predictions, by target."""

    def graph(self) -> Graph:
        """Return a new graph. Raises ConfigError with every shape problem at its place."""
        problems = [*augmentation_problems(self.augment, self.signature)]
        outputs, found = outputs_of(self.loss, self.outputs, node_names(self.layers), self.signature)
        problems += found
        try:
            graph = build_graph(self.layers, self.paths, self.signature, None if found else outputs)
        except ConfigError as error:
            raise ConfigError([*problems, *error.problems]) from error
        if problems:
            raise ConfigError(problems)
        if self.signature.targets:
            self._check_losses(graph)
        return graph

    def output_layer(self, target: str) -> str:
        """Return the name of the layer that gives a target's predictions."""
        return outputs_of(self.loss, self.outputs, node_names(self.layers), self.signature)[0][target]

    def _check_losses(self, graph: Graph) -> None:
        """Raise ConfigError for each loss that doesn't fit its output or its target, at its place."""
        problems = []
        for head in heads_of(self.loss, self.signature):
            try:
                shape = graph.nodes[graph.outputs[head.target]].output_shape
                head.loss.check(shape, self.signature.targets[head.target])
            except ShapeError as error:
                place = ("loss",) if isinstance(self.loss, Loss) else ("loss", head.target)
                place = (*place, error.field) if error.field else place
                problems.append(Problem(place, error.message, error.help))
        problems += useless_layers(graph) if len(graph.outputs) > 1 else []
        if problems:
            raise ConfigError(problems)


def compile_plan(
    model: Model, goal: Goal, updates: UpdateRule, precision: Precision, batch: int, threads: int, seed: int
) -> Plan:
    """Compile a model for steps of at most `batch` samples on a number of threads."""
    graph = model.graph()
    fuse_link(graph, model.loss)
    join_steps(graph)
    if not (goal.training or goal.gradients):
        fold_normalizations(graph)
    fuse_relu(graph)
    fuse_pool(graph)
    fuse_lookups(graph, batch, goal)
    signature = advance(graph, model.signature) if goal.advancing else model.signature
    lowering = Lowering(graph, signature, model.loss, updates, goal, precision, batch, seed, model.augment, threads)
    plan = lowering.run()
    hoist(plan)
    follow_readers(plan)
    order_calls(plan)
    place(plan, keep=goal.keep, tight=goal.apart)
    verify(plan)
    set_barriers(plan)
    return plan
