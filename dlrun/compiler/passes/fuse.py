"""Graph passes: take out what another kernel computes on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dlrun.compiler.graph import Graph, Node
from dlrun.compiler.heads import Losses
from dlrun.layers.activation import FunctionLayer
from dlrun.layers.conv_pool import ConvPool, can_pool
from dlrun.layers.pool import Pool1D
from dlrun.losses.base import Loss


def fuse_link(graph: Graph, losses: Losses | None) -> None:
    """Take out a trailing softmax or sigmoid that a loss computes itself, from logits, in one pass.

    Layers that only give its output another shape may follow it (a softmax: those that keep its vectors); they stay.
    Where others take what it gives as well, it stays for them, and the loss looks at what comes before it.
    """
    if isinstance(losses, Loss):
        losses = dict.fromkeys(graph.outputs, losses)
    for target, loss in (losses or {}).items():
        _fuse_link_of(graph, target, loss)


def _fuse_link_of(graph: Graph, target: str, loss: Loss) -> None:
    node, shapes = graph.nodes[graph.outputs[target]], []
    while node.layer.is_alias and node.inputs[0] in graph.nodes and (loss.link == "sigmoid" or _keeps_vectors(node)):
        shapes.append(node)
        node = graph.nodes[node.inputs[0]]
    if not isinstance(node.layer, FunctionLayer) or node.layer.function.type != loss.link:
        return
    if len(graph.nodes) == 1:
        return
    if any(graph.readers(each.name) > 1 for each in (node, *shapes)):
        graph.outputs[target] = _logits(graph, node, shapes)
        return
    for consumer in graph.consumers(node.name):
        consumer.inputs = node.inputs
    if not shapes:
        graph.outputs[target] = node.inputs[0]
    del graph.nodes[node.name]


def _keeps_vectors(alias: Node) -> bool:
    """Return whether another shape has the same vectors along the last axis, each of which is a softmax's."""
    return alias.input_shapes[0][-1:] == alias.output_shape[-1:]


def _logits(graph: Graph, link: Node, shapes: Sequence[Node]) -> str:
    """Return the output before a link that stays, through copies of the layers that give it another shape."""
    name = link.inputs[0]
    for node in reversed(shapes):
        copy = replace(node, name=f"{node.name}/logits", inputs=(name,))
        graph.nodes[copy.name] = copy
        name = copy.name
    return name


def fuse_relu(graph: Graph) -> None:
    """Let a layer that can apply a ReLU as it stores do so; the ReLU's own forward call is left out."""
    for node in graph.nodes.values():
        if isinstance(node.layer, FunctionLayer) and node.layer.function.type == "relu":
            producer = graph.nodes.get(node.inputs[0])
            if producer and producer.layer.fuses_relu and graph.readers(producer.name) == 1:
                producer.fused_relu = node.forward_elsewhere = True


def fuse_pool(graph: Graph) -> None:
    """Make one node of a convolution, its fused ReLU and the max pool after it, of which nobody else needs the parts.

    The node has the convolution's name, and so do its variables.
    """
    for pool in list(graph.nodes.values()):
        relu = _only_source(graph, pool)
        source = _only_source(graph, relu) if relu and relu.forward_elsewhere else relu
        if relu is None or source is None or pool.name in graph.outputs.values():
            continue
        if isinstance(pool.layer, Pool1D) and graph.may_be_masked(source.inputs[0]):
            continue  # its windows leave padding out, which differs from sample to sample
        if can_pool(source.layer, pool.layer, source.input_shapes[0]):
            _replace(graph, source, relu, pool)


def _only_source(graph: Graph, node: Node) -> Node | None:
    """Return the node whose output this one takes, if nobody else does."""
    source = graph.nodes.get(node.inputs[0])
    return source if source and graph.readers(source.name) == 1 else None


def _replace(graph: Graph, source: Node, relu: Node, pool: Node) -> None:
    layer = ConvPool(
        convolution=source.layer, pool=pool.layer, has_relu=relu is not source, trainable=source.layer.trainable
    )
    source.layer, source.output_shape, source.fused_relu = layer, pool.output_shape, False
    for name in {relu.name, pool.name} - {source.name}:
        del graph.nodes[name]
    for node in graph.consumers(pool.name):
        node.inputs = tuple(source.name if name == pool.name else name for name in node.inputs)
