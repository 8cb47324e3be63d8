"""Graph pass of inference: batch normalisation goes into the weights of the layer before it."""

from __future__ import annotations

from dlrun.compiler.graph import Graph


def fold_normalizations(graph: Graph) -> None:
    """Let convolutions and dense layers take in the batch normalisation that alone takes their output.

    The node keeps its variables, as they have their places among the weights, but nothing flows through it. Run before
    the fusing of ReLUs and pools, which then see the convolution.
    """
    for node in graph.nodes.values():
        if node.layer.folded_epsilon is None or node.name in graph.outputs.values():
            continue
        source = graph.nodes.get(node.inputs[0])
        if source is None or graph.readers(source.name) != 1 or source.folded is not None:
            continue
        if source.layer.kernel_ends_in_outputs:
            source.folded, node.is_folded = node, True
            source.layer = source.layer.model_copy(update={"use_bias": True})
            for consumer in graph.consumers(node.name):
                consumer.inputs = tuple(source.name if name == node.name else name for name in consumer.inputs)
