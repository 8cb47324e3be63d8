"""Graph pass: what is applied to each step stays there until all steps are needed."""

from __future__ import annotations

from dlrun.compiler.graph import Graph


def join_steps(graph: Graph) -> None:
    """Take out the views of a sequence as a whole and by steps again, between one `time_distributed` and the next.

    So a convolution and the pool behind it meet, and can become one. Run before the fusing of ReLUs and pools.
    """
    for node in list(graph.nodes.values()):
        source = graph.nodes.get(node.inputs[0])
        if source is None or (source.layer.time_view, node.layer.time_view) != ("all steps", "each step"):
            continue
        for consumer in graph.consumers(node.name):
            consumer.inputs = tuple(source.inputs[0] if name == node.name else name for name in consumer.inputs)
        del graph.nodes[node.name]
        if not graph.readers(source.name):
            del graph.nodes[source.name]
