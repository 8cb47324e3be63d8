"""From a graph to a plan's calls: data, forward, loss, backward, updates, in this order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from dlrun.compiler.added_losses import emit_added_losses, emit_total, term_name
from dlrun.compiler.augment_calls import emit_augmentations
from dlrun.compiler.data_calls import emit_inputs, emit_targets, emit_weights
from dlrun.compiler.emitter import Builder, Emitter, LossEmitter, OutputEmitter, mask_name
from dlrun.compiler.folding import emit_folded_weights
from dlrun.compiler.graph import Graph, Node
from dlrun.compiler.heads import Head, Losses, heads_of
from dlrun.compiler.penalties import emit_penalties
from dlrun.compiler.shared_updates import SharedUpdates
from dlrun.compiler.times import emit_times
from dlrun.compiler.updates import UpdateRule
from dlrun.data.augment.base import Augmentation
from dlrun.data.signature import Signature
from dlrun.kernels.elementwise import accumulate, check_losses, copy
from dlrun.kernels.gather import collect
from dlrun.kernels.lang import Precision
from dlrun.plan import FIRST, ROWS, Buffer, Plan, Update


@dataclass(frozen=True)
class Goal:
    """What a plan is for: training (with dropout, batch statistics, gradients), or inference, with or without a loss.

    `gradients` without `updates` leaves the gradients in buffers named "gradient/VARIABLE", for checks.
    `input_gradients` asks for the gradients of the data inputs too. `keep` gives every value bytes of its own, so
    that it can be looked at after the step. `collect` brings losses and predictions out, sample by sample; without
    `predictions` losses alone. Without `added_losses` the terms that layers add to the loss are left out.
    With `advancing` a step takes the next position of sequences, not all of them. With `apart` threads make steps of
    their own, each in as little memory as it takes.
    """

    training: bool = False
    loss: bool = True
    gradients: bool = False
    input_gradients: bool = False
    keep: bool = False
    collect: bool = True
    predictions: bool = True
    weighted: bool = False
    added_losses: bool = True
    advancing: bool = False
    apart: bool = False


class Lowering:
    """Walks the graph forward and back, and gives every value and gradient its buffer."""

    def __init__(
        self,
        graph: Graph,
        signature: Signature,
        losses: Losses | None,
        updates: UpdateRule,
        goal: Goal,
        precision: Precision,
        batch: int,
        seed: int,
        augment: Sequence[Augmentation] = (),
        threads: int = 1,
    ) -> None:
        self.graph, self.signature, self.updates, self.goal = graph, signature, updates, goal
        self.heads = heads_of(losses, signature)
        self.augment = augment if goal.training else ()
        self.plan = Plan(precision, batch, [], {}, threads)
        self.builder = Builder(self.plan, seed, goal.gradients, goal.loss and goal.added_losses)
        self.values: dict[str, Buffer] = {}
        self.gradients: dict[str, Buffer] = {}
        self.masks: dict[str, Buffer | None] = {}
        self.outer_masks: dict[str, tuple[Buffer | None, ...]] = {}
        self.wanted = self._nodes_that_need_gradients()

    def run(self) -> Plan:
        """Return the plan, not yet placed."""
        self._make_variables()
        self._enter("data", "data")
        for name, feature in self.signature.inputs.items():
            self.values[name] = emit_inputs(self.builder, feature)
            emit_augmentations(self.builder, feature, self.values[name], self.augment)
        emit_times(self.builder, self.graph)
        self._forward()
        if self.heads and self.goal.loss:
            self._loss()
        elif self.heads:
            self._predictions()
        if self.goal.gradients:
            self._backward()
            self._enter("update", "update")
            self.updates.emit_rest(self.builder)
        return self.plan

    def _enter(self, phase: str, node: str) -> None:
        self.builder.phase, self.builder.node = phase, node  # type: ignore[assignment]

    def _make_variables(self) -> None:
        for node in self.graph.nodes.values():
            for variable in node.variables:
                self.builder.buffer(f"{node.name}/{variable.name}", prod(variable.shape), "weights")

    def _forward(self) -> None:
        for node in self.graph.nodes.values():
            if node.is_folded:
                continue
            self._enter("forward", node.name)
            if node.folded is not None:
                emit_folded_weights(self.builder, node, node.folded)
            inputs = [self.values[name] for name in node.inputs]
            output = self.values[node.name] = self._output_of(node)
            if not (self._is_alias(node) or node.forward_elsewhere):
                masks = self._masks_of_inputs(node)
                node.layer.forward(Emitter(self.builder, node, self.goal.training, inputs, output, masks=masks))
            self._pass_masks(node)

    def _masks_of_inputs(self, node: Node) -> list[Buffer | None]:
        return [self.masks.get(name) for name in node.inputs]

    def _pass_masks(self, node: Node) -> None:
        """Give the output its mask; that of a sequence waits while its steps are samples."""
        source, mask = node.inputs[0], self._mask_of(node)
        outer = self.outer_masks.get(source, ())
        if node.layer.time_view == "each step":
            outer = (*outer, self.masks.get(source))
        elif node.layer.time_view == "all steps":
            *before, mask = outer
            outer = tuple(before)
        self.masks[node.name], self.outer_masks[node.name] = mask, outer

    def _mask_of(self, node: Node) -> Buffer | None:
        """Return the mask of a node's output, once its forward pass is emitted."""
        masks = self._masks_of_inputs(node)
        match node.layer.mask_rule:
            case "drop":
                return None
            case "pass":
                return masks[0]
            case "merge":
                return next((mask for mask in masks if mask is not None), None)
            case "make":
                return self.plan.buffers.get(mask_name(node))

    def _is_alias(self, node: Node) -> bool:
        return node.layer.is_alias_when(self.goal.training)

    def _output_of(self, node: Node) -> Buffer:
        if (
            self._is_alias(node)
            or node.is_looked_up
            or (node.layer.is_in_place and self._may_overwrite(node.inputs[0]))
        ):
            return self.values[node.inputs[0]]
        return self.builder.rows_buffer(f"{node.name}/output", self.graph.size_of(node.name))

    def _may_overwrite(self, name: str) -> bool:
        """Return whether nobody but its one consumer will read this value again."""
        if self.graph.readers(name) != 1 or name in self.graph.inputs:
            return False
        node = self.graph.nodes[name]
        if self._is_alias(node):
            return self._may_overwrite(node.inputs[0])
        return not node.layer.reads_output

    def _loss(self) -> None:
        self._enter("data", "data")
        weights = [self._weights_of(head) for head in self.heads]
        targets = {name: emit_targets(self.builder, feature) for name, feature in self.signature.targets.items()}
        for head, of_head in zip(self.heads, weights, strict=True):
            self._loss_of(head, targets[head.target], of_head)
        if len(self.heads) > 1:
            emit_total(self.builder, self.heads)
        terms = emit_added_losses(self.builder, self.graph, self.goal.weighted) if self.builder.counts_losses else []
        if self.goal.gradients:
            losses = self.plan.buffers["losses"]
            self.builder.call(check_losses, partition="split", losses=losses, rows=ROWS)
        emit_penalties(self.builder, self.graph, self.goal.collect)
        self._collect("losses", "losses", 1)
        for head in self.heads:
            if head.part is not None:
                self._collect(f"{head.place}losses", f"parts/{head.part}", 1)
        for term in terms:
            self._collect(term_name(term), f"parts/{term}", 1)
        if self.goal.predictions:
            self._collect_predictions()

    def _weights_of(self, head: Head) -> Buffer:
        """Return how much each sample counts for a head."""
        shape = self.graph.shape_of(self.graph.outputs[head.target])
        return emit_weights(self.builder, self.goal.weighted, head.loss.factor(shape))

    def _loss_of(self, head: Head, target: Buffer, weights: Buffer) -> None:
        """Emit a head's losses and the gradient of its output, added to that of another head with the same output."""
        self._enter("loss", head.node)
        name = self.graph.outputs[head.target]
        shape, gradient = self.graph.shape_of(name), None
        is_shared = name in self.gradients
        if self.goal.gradients:
            own = f"{head.place}gradient"
            gradient = self.builder.rows_buffer(own, prod(shape)) if is_shared else self._gradient_buffer(name)
        feature, mask = self.signature.targets[head.target], self.masks.get(name)
        head.loss.lower(
            LossEmitter(self.builder, self.values[name], shape, target, feature, gradient, weights, mask, head.place)
        )
        if is_shared and gradient is not None:
            self.builder.call(accumulate, x=gradient, y=self.gradients[name], rows=ROWS, size=prod(shape))

    def _predictions(self) -> None:
        """Emit what the network says, for data without targets."""
        for head in self.heads:
            self._enter("loss", head.node)
            name = self.graph.outputs[head.target]
            head.loss.predict(OutputEmitter(self.builder, self.values[name], self.graph.shape_of(name), head.place))
        self._collect_predictions()

    def _collect_predictions(self) -> None:
        for head in self.heads:
            shape = self.graph.shape_of(self.graph.outputs[head.target])
            self._collect(f"{head.place}predictions", head.predictions, prod(shape))

    def _collect(self, name: str, place: str, size: int) -> None:
        if self.goal.collect:
            self._enter("collect", "collect")
            out = self.builder.buffer(f"out/{place}", 0, "data")
            self.builder.call(collect, x=self.plan.buffers[name], out=out, first=FIRST, rows=ROWS, size=size)

    def _nodes_that_need_gradients(self) -> set[str]:
        """Return the values through which a trainable variable (or a data input, if asked) reaches the loss."""
        wanted = set(self.graph.inputs) if self.goal.input_gradients else set()
        for node in self.graph.nodes.values():
            trains = node.layer.trainable and any(owned.is_trained for owned in node.used)
            if trains or (node.layer.passes_gradient and wanted.intersection(node.inputs)):
                wanted.add(node.name)
        return wanted

    def _gradient_buffer(self, name: str) -> Buffer:
        if name not in self.gradients:
            self.gradients[name] = self.builder.rows_buffer(f"{name}/gradient", self.graph.size_of(name))
        return self.gradients[name]

    def _nodes_going_back(self) -> list[Node]:
        """Return the nodes that get a gradient of the loss, and want it, last first."""
        reached, found = set(self.gradients), []
        for node in reversed(self.graph.nodes.values()):
            if node.name in self.wanted and (node.name in reached or self._adds_loss(node)):
                found.append(node)
                if node.layer.passes_gradient and node.lookup is None:
                    reached.update(node.inputs)
        return found

    def _backward(self) -> None:
        nodes = self._nodes_going_back()
        self.shared = SharedUpdates(self.updates, nodes)
        for node in nodes:
            if self._adds_loss(node):
                self._start_gradient(node)
            self._enter("backward", node.name)
            self._backward_of(node)
        self.shared.check()

    def _adds_loss(self, node: Node) -> bool:
        return node.layer.adds_loss is not None and self.builder.counts_losses

    def _start_gradient(self, node: Node) -> None:
        """Give a node that adds to the loss a gradient of zeros where no loss depends on its output."""
        if node.name not in self.gradients:
            self._enter("backward", node.name)
            size = self.graph.size_of(node.name)
            zeros = self.builder.zeros(size * self.plan.batch)
            self.builder.call(copy, x=zeros, y=self._gradient_buffer(node.name), rows=ROWS, size=size)

    def _backward_of(self, node: Node) -> None:
        gradient = self.gradients[node.name]
        is_alias = self._is_alias(node)
        if (is_alias or node.layer.is_in_place) and self._pass_through(node, gradient):
            if not is_alias:
                node.layer.backward(self._emitter(node, gradient, {0: gradient}))
            return
        shared: list[tuple[Buffer, Buffer, int]] = []
        targets: dict[int, Buffer | None] = {}
        for index, name in enumerate(node.inputs):
            if name not in self.wanted or not node.layer.passes_gradient or node.lookup is not None:
                targets[index] = None
            elif name in self.gradients:
                part = self.builder.rows_buffer(f"{node.name}/gradient_of_{index}", self.graph.size_of(name))
                targets[index] = part
                shared.append((self.gradients[name], part, self.graph.size_of(name)))
            else:
                targets[index] = self._gradient_buffer(name)
        if is_alias:
            target = targets[0]
            assert target is not None
            self.builder.call(copy, x=gradient, y=target, rows=ROWS, size=self.graph.size_of(node.name))
        else:
            node.layer.backward(self._emitter(node, gradient, targets))
        for total, part, size in shared:
            self.builder.call(accumulate, x=part, y=total, rows=ROWS, size=size)

    def _pass_through(self, node: Node, gradient: Buffer) -> bool:
        """Let the input's gradient use the output's buffer where the input has no other consumer."""
        name = node.inputs[0]
        if name not in self.wanted:
            return self._is_alias(node)
        if self.graph.readers(name) != 1 or name in self.graph.inputs:
            return False
        self.gradients[name] = gradient
        return True

    def _emitter(self, node: Node, gradient: Buffer, targets: dict[int, Buffer | None]) -> Emitter:
        inputs, output = [self.values[name] for name in node.inputs], self.values[node.name]

        def update(variable: str, user: Node) -> Update | None:
            return self.shared.update_of(self.builder, user, variable)

        masks = self._masks_of_inputs(node)
        return Emitter(self.builder, node, self.goal.training, inputs, output, gradient, targets.get, update, masks)
