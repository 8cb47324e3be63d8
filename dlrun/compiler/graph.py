"""Layers as nodes with shapes and variables: what a config's model means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

from dlrun.config.problems import path_text
from dlrun.data.signature import Signature
from dlrun.errors import ConfigError, Path, Problem, ShapeError, UsageError
from dlrun.layers.base import Layer, Shape, shape_text
from dlrun.layers.names import layer_names
from dlrun.layers.variable import Variable


@dataclass(eq=False)
class Node:
    """One layer (or the activation that a layer names) with the shapes that flow in and out."""

    name: str
    layer: Layer
    inputs: tuple[str, ...]
    input_shapes: tuple[Shape, ...]
    output_shape: Shape
    path: Path
    variables: tuple[Variable, ...] = ()
    """Those that belong to the node."""
    borrowed: Mapping[str, Owned] = field(default_factory=dict)
    """Those of other nodes that it computes with, by its own names for them."""
    fused_relu: bool = False
    """Whether the layer's forward pass applies the ReLU that follows it; the ReLU's own is then left out."""
    forward_elsewhere: bool = False
    """Whether another node's forward pass computes this one's output."""
    folded: Node | None = None
    """The batch normalisation that this node's weights take in."""
    is_folded: bool = False
    """Whether another node's weights take this one in: it keeps its variables, and nothing else."""
    lookup: Node | None = None
    """The embedding before this node, of which it takes the ids and the table, and not the vectors."""
    is_looked_up: bool = False
    """Whether this node is such an embedding: its ids stand for its output, and its mask is all that it makes."""
    times: int = 1
    """How many samples each row of the batch is for this node: more than one where it takes the steps of a sequence."""

    @property
    def parameters(self) -> int:
        """How many numbers the node's variables hold."""
        return sum(prod(variable.shape) for variable in self.variables)

    @property
    def flops(self) -> int:
        """The floating-point operations of a row's forward pass."""
        return self.times * self.layer.flops(*self.input_shapes)

    @property
    def used(self) -> list[Owned]:
        """The variables it computes with, its own and others'."""
        return [*(Owned(self, variable) for variable in self.variables), *self.borrowed.values()]

    def find(self, name: str) -> Owned | None:
        """Return the variable that the node's layer knows by this name, or None."""
        own = next((variable for variable in self.variables if variable.name == name), None)
        return self.borrowed.get(name) if own is None else Owned(self, own)

    def owned(self, name: str) -> Owned:
        """Return the variable that the node's layer knows by this name."""
        found = self.find(name)
        assert found is not None, f"{self.name} has no variable {name}"
        return found


@dataclass(frozen=True, eq=False)
class Owned:
    """A variable, and the node that it belongs to: where it is drawn, counted, kept and changed, once."""

    node: Node
    variable: Variable

    @property
    def name(self) -> str:
        """What the variable is called in plans and checkpoints: NODE/VARIABLE."""
        return f"{self.node.name}/{self.variable.name}"

    @property
    def is_trained(self) -> bool:
        """Whether its owner lets it be trained."""
        return self.variable.trainable and self.node.layer.trainable


@dataclass(eq=False)
class Graph:
    """Nodes in an order in which each follows its inputs. `outputs` names, by target, those that losses look at."""

    inputs: dict[str, Shape]
    nodes: dict[str, Node] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)

    @property
    def output(self) -> Node:
        """The node of the only output. Raises UsageError where there are several."""
        if len(self.outputs) > 1:
            raise UsageError(
                f"this network has several outputs ({', '.join(self.outputs)}), and only one can be used here"
            )
        return self.nodes[next(iter(self.outputs.values()))]

    def shape_of(self, name: str) -> Shape:
        """Return the shape of a data input or of a node's output."""
        return self.nodes[name].output_shape if name in self.nodes else self.inputs[name]

    def times_of(self, name: str) -> int:
        """Return how many samples each row of the batch is in a data input or a node's output."""
        return self.nodes[name].times if name in self.nodes else 1

    def size_of(self, name: str) -> int:
        """Return how many numbers a data input or a node's output has for each row of the batch."""
        return self.times_of(name) * prod(self.shape_of(name))

    def may_be_masked(self, name: str) -> bool:
        """Return whether a value comes, whatever the way, from a layer that tells real positions from padding."""
        found = {name}
        for node in reversed(self.nodes.values()):
            if node.name in found:
                found.update(node.inputs)
        return any(self.nodes[each].layer.starts_mask for each in found if each in self.nodes)

    def consumers(self, name: str) -> list[Node]:
        """Return the nodes that take this output."""
        return [node for node in self.nodes.values() if name in node.inputs and not node.is_folded]

    def readers(self, name: str) -> int:
        """Return how many take this output: nodes, and losses."""
        return len(self.consumers(name)) + sum(output == name for output in self.outputs.values())


def build_graph(
    layers: Sequence[Layer], paths: Sequence[Path], signature: Signature, outputs: Mapping[str, str] | None = None
) -> Graph:
    """Return the graph of a model. Raises ConfigError with every layer's shape problem, each at its place.

    `paths` gives each layer's place in the config. A layer that fails hides the ones that depend on it. `outputs` names
    the layers that give the targets' predictions; when left out, the last layer gives those of the only target.
    """
    graph = Graph({name: feature.shape for name, feature in signature.inputs.items()})
    names = node_names(layers)
    problems: list[Problem] = []
    aliases: dict[str, str] = {}
    done: dict[str, tuple[Layer, tuple[str, ...]]] = {}
    broken: set[str] = set()
    previous = next(iter(graph.inputs))
    for layer, path, name in zip(layers, paths, names, strict=True):
        sources = (previous,) if layer.inputs is None else layer.inputs
        inputs = tuple(aliases.get(source, source) for source in sources)
        previous = name
        if broken.intersection((*inputs, *(getattr(layer, field) for field in layer.references))):
            broken.add(name)
            continue
        try:
            twin = _twin(graph, layer, inputs, done, signature) if layer.twin_of else layer
            known = twin.for_data(*(signature.inputs.get(source) for source in inputs))
            aliases[name] = _add_layer(graph, known, name, inputs, path, layer.twin_of)
            done[name] = known, inputs
        except ShapeError as error:
            broken.add(name)
            place = (*path, error.field) if error.field else path
            problems.append(Problem(place, f"{path_text(place)}: {error.message}", error.help))
    if problems:
        raise ConfigError(problems)
    outputs = {next(iter(signature.targets), "target"): names[-1]} if outputs is None else outputs
    graph.outputs = {target: aliases[name] for target, name in outputs.items()}
    return graph


def node_names(layers: Sequence[Layer]) -> list[str]:
    """Return each layer's name: its own, or its type with a number that counts layers of this type."""
    return layer_names((layer.name, layer.type) for layer in layers)


def _twin(
    graph: Graph,
    layer: Layer,
    inputs: tuple[str, ...],
    done: Mapping[str, tuple[Layer, tuple[str, ...]]],
    signature: Signature,
) -> Layer:
    """Return the layer that a shared one stands for, with the shared one's inputs. Raises ShapeError without it."""
    name = str(layer.twin_of)
    if name not in done:
        raise ShapeError(f"no layer named {name!r} comes before it", layer.references[0])
    if not any(node.used for node in graph.nodes.values() if f"{node.name}/".startswith(f"{name}/")):
        raise ShapeError(f"{name!r} has no weights to share", layer.references[0])
    original, its_inputs = done[name]
    for mine, its in zip(inputs, its_inputs, strict=False):
        classes = [signature.inputs[name].classes for name in (mine, its) if name in signature.inputs]
        if len(classes) == 2 and None not in classes and classes[0] != classes[1]:
            raise ShapeError(
                f"the ids of {mine!r} stand for other things than those of {its!r}, so they can't share weights",
                "inputs" if layer.inputs else None, "the two inputs need one vocabulary",
            )  # fmt: skip
    return original.model_copy(update={"name": layer.name, "inputs": layer.inputs, "trainable": layer.trainable})


def _add_layer(
    graph: Graph, layer: Layer, name: str, inputs: tuple[str, ...], path: Path, lender: str | None = None
) -> str:
    """Add a layer's node, and one for the activation it names; or those of its parts. Return the name of the last.

    With a lender, the layer's variables are those of the node of this name, part by part.
    """
    _check_inputs(graph, layer, inputs)
    shapes = tuple(graph.shape_of(source) for source in inputs)
    parts = layer.parts(*shapes)
    if parts:
        return _add_parts(graph, layer, parts, name, inputs, path, lender)
    borrowed = {own: _lent(graph, *place, layer) for own, place in layer.borrows().items()}
    layer = layer.for_weights({own: owned.variable.shape for own, owned in borrowed.items()}, *shapes)
    output = layer.output_shape(*shapes)
    if any(extent < 1 for extent in output):
        raise ShapeError(f"nothing is left of the input {shapes[0]}: the output would have shape {output}")
    times = layer.samples_after(graph.times_of(inputs[0]))
    variables = layer.variables(*shapes)
    if lender is not None:
        borrowed |= {variable.name: _lent_alike(graph.nodes[lender], variable) for variable in variables}
        variables = ()
    graph.nodes[name] = Node(name, layer, inputs, shapes, output, path, variables, borrowed, times=times)
    follower = layer.followed_by()
    if follower is None:
        return name
    activated = f"{name}/{follower.name}"
    shape = follower.output_shape(output)
    graph.nodes[activated] = Node(activated, follower, (name,), (output,), shape, path, times=times)
    return activated


def _lent(graph: Graph, lender: str, variable: str, layer: Layer) -> Owned:
    """Return a variable of a node that a layer names. Raises ShapeError where that has none of this name."""
    node = graph.nodes.get(lender)
    owned = node.find(variable) if node is not None else None
    if owned is None:
        what = f"the layer {lender!r} has no {variable}" if node else f"no layer named {lender!r} comes before it"
        raise ShapeError(what, next((field for field in layer.references if getattr(layer, field) == lender), None))
    return owned


def _lent_alike(lender: Node, variable: Variable) -> Owned:
    """Return the lender's variable of the same name. Raises ShapeError where its shape is another."""
    owned = lender.owned(variable.name)
    if owned.variable.shape != variable.shape:
        raise ShapeError(
            f"its {variable.name} would need shape {shape_text(variable.shape)}, but that of {lender.name!r} has "
            f"{shape_text(owned.variable.shape)}",
            help="layers that share their weights take inputs of the same features",
        )
    return owned


def _check_inputs(graph: Graph, layer: Layer, inputs: tuple[str, ...]) -> None:
    """Raise ShapeError unless the inputs exist and are as many as the layer takes."""
    for source in inputs:
        if source not in graph.nodes and source not in graph.inputs:
            known = ", ".join([*graph.inputs, *graph.nodes])
            raise ShapeError(f"no layer or data input named {source!r} comes before it", "inputs", f"one of: {known}")
    least, most = layer.number_of_inputs
    if len(inputs) < least or (most is not None and len(inputs) > most):
        raise ShapeError(f"{layer.type} takes {_numbers(least, most)}, got {len(inputs)}", _inputs_field(layer))


def _numbers(least: int, most: int | None) -> str:
    if least == most:
        return f"{least} input{'s' * (least != 1)}"
    return f"{least} or more inputs" if most is None else f"{least} to {most} inputs"


def _inputs_field(layer: Layer) -> str | None:
    return "inputs" if layer.inputs else None


def _add_parts(
    graph: Graph,
    block: Layer,
    parts: Sequence[Layer],
    name: str,
    inputs: tuple[str, ...],
    path: Path,
    lender: str | None,
) -> str:
    """Add the nodes of a block's parts, named BLOCK/PART; a part's problem is told as the block's."""
    scope = dict(zip(block.input_names, inputs, strict=False))
    previous = inputs[0]
    for part in parts:
        assert part.name is not None
        sources = (previous,) if part.inputs is None else tuple(scope[source] for source in part.inputs)
        if not block.trainable:
            part = part.model_copy(update={"trainable": False})
        try:
            its_lender = None if lender is None else f"{lender}/{part.name}"
            previous = scope[str(part.name)] = _add_layer(graph, part, f"{name}/{part.name}", sources, path, its_lender)
        except ShapeError as error:
            field = error.field if error.field in type(block).model_fields else None
            raise ShapeError(f"in its part {part.name!r}: {error.message}", field, error.help) from error
    return previous


def parameter_count(graph: Graph) -> Mapping[str, int]:
    """Return how many trainable and other numbers the network's variables hold."""
    counts = {"trainable": 0, "frozen": 0}
    for node in graph.nodes.values():
        for variable in node.variables:
            key = "trainable" if variable.trainable and node.layer.trainable else "frozen"
            counts[key] += prod(variable.shape)
    return counts
