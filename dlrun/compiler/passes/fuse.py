"""Graph passes: take out what another kernel computes on the way."""

from __future__ import annotations

from dlrun.compiler.graph import Graph
from dlrun.layers.activation import FunctionLayer
from dlrun.losses.base import Loss


def fuse_link(graph: Graph, loss: Loss | None) -> None:
    """Take out a trailing softmax or sigmoid that the loss computes itself, from logits, in one pass."""
    last = graph.output
    if loss is not None and loss.link and isinstance(last.layer, FunctionLayer) and last.layer.function.type == loss.link and len(graph.nodes) > 1:  # fmt: skip
        del graph.nodes[last.name]


def fuse_relu(graph: Graph) -> None:
    """Let a layer that can apply a ReLU as it stores do so; the ReLU's own forward call is left out."""
    for node in graph.nodes.values():
        if isinstance(node.layer, FunctionLayer) and node.layer.function.type == "relu":
            producer = graph.nodes.get(node.inputs[0])
            if producer and producer.layer.fuses_relu and len(graph.consumers(producer.name)) == 1:
                producer.fused_relu = node.forward_elsewhere = True
