"""Graph pass: instead of whole sequences, their next position alone, for text that comes token by token."""

from __future__ import annotations

from dataclasses import replace

from dlrun.compiler.graph import Graph, Node
from dlrun.data.signature import Signature
from dlrun.layers.base import Layer


def advance(graph: Graph, signature: Signature) -> Signature:
    """Let every node take one position, in place, with the variables that it has; return the signature of that.

    Raises ValueError where a layer can't; ask `obstacle` first.
    """
    for node in graph.nodes.values():
        layer = _next_position(node)
        if layer is None:
            raise ValueError(f"{node.name} needs the whole sequence")
        node.layer = layer
    for node in graph.nodes.values():
        node.input_shapes = tuple((1, *shape[1:]) for shape in node.input_shapes)
        node.output_shape = (1, *node.output_shape[1:])
    graph.inputs = {name: (1, *shape[1:]) for name, shape in graph.inputs.items()}
    inputs = {name: replace(feature, shape=(1, *feature.shape[1:])) for name, feature in signature.inputs.items()}
    return replace(signature, inputs=inputs)


def obstacle(graph: Graph) -> str | None:
    """Return the name of a layer for which whole sequences have to be computed, if there is one."""
    return next((node.name for node in graph.nodes.values() if _next_position(node) is None), None)


def is_bounded(graph: Graph) -> bool:
    """Return whether some layer knows only so many positions as the sequences have that the network was made for."""
    return any(node.layer.is_bounded for node in graph.nodes.values())


def _next_position(node: Node) -> Layer | None:
    """Return the layer for the next position; none where the output has another number of positions."""
    keeps_time = all(shape[:1] == node.output_shape[:1] for shape in node.input_shapes)
    return node.layer.next_position(*node.input_shapes) if keeps_time and node.output_shape else None
