"""The compiler: one straight list of passes from a graph to a plan that is placed and verified."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dlrun.compiler.augment_calls import augmentation_problems
from dlrun.compiler.graph import Graph, build_graph
from dlrun.compiler.lower import Goal, Lowering
from dlrun.compiler.passes.barriers import set_barriers
from dlrun.compiler.passes.fold import fold_normalizations
from dlrun.compiler.passes.fuse import fuse_link, fuse_pool, fuse_relu
from dlrun.compiler.passes.hoist import hoist
from dlrun.compiler.passes.lookup import fuse_lookups
from dlrun.compiler.passes.order import order_calls
from dlrun.compiler.passes.place import place
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
    loss: Loss
    augment: Sequence[Augmentation] = ()

    def graph(self) -> Graph:
        """Return a new graph. Raises ConfigError with every shape problem at its place."""
        problems = [*augmentation_problems(self.augment, self.signature)]
        try:
            graph = build_graph(self.layers, self.paths, self.signature)
        except ConfigError as error:
            raise ConfigError([*problems, *error.problems]) from error
        if problems:
            raise ConfigError(problems)
        if not self.signature.targets:
            return graph
        try:
            self.loss.check(graph.output.output_shape, self.signature.target)
        except ShapeError as error:
            place = ("loss", error.field) if error.field else ("loss",)
            raise ConfigError([Problem(place, error.message, error.help)]) from error
        return graph


def compile_plan(
    model: Model, goal: Goal, updates: UpdateRule, precision: Precision, batch: int, threads: int, seed: int
) -> Plan:
    """Compile a model for steps of at most `batch` samples on a number of threads."""
    graph = model.graph()
    fuse_link(graph, model.loss)
    if not (goal.training or goal.gradients):
        fold_normalizations(graph)
    fuse_relu(graph)
    fuse_pool(graph)
    fuse_lookups(graph, batch, goal)
    lowering = Lowering(
        graph, model.signature, model.loss, updates, goal, precision, batch, seed, model.augment, threads
    )
    plan = lowering.run()
    hoist(plan)
    order_calls(plan)
    place(plan, keep=goal.keep)
    verify(plan)
    set_barriers(plan)
    return plan
