"""Graph pass: a recurrent layer takes an embedding's table instead of its vectors, where that saves products."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from dlrun.compiler.graph import Graph, Node

if TYPE_CHECKING:
    from dlrun.compiler.lower import Goal
    from dlrun.layers.recurrent import Recurrent

POSITIONS_OF_AN_ID = 2
"""In training, from so many positions in a step for each id of the table, the table is multiplied once for all."""
PROJECTED = 1 << 22
"""In inference the product is made once for all steps: worth it for any table whose result isn't larger than this."""


def fuse_lookups(graph: Graph, batch: int, goal: Goal) -> None:
    """Let recurrent layers take the embedding that they alone follow: of a step's positions many have the same id.

    The embedding keeps its variables and its mask. Forward results have the same bits either way.
    """
    if not any(node.layer.type == "embedding" for node in graph.nodes.values()):
        return  # and nobody waits for the import of layers that the network doesn't have
    from dlrun.layers.embedding import Embedding
    from dlrun.layers.recurrent import Recurrent

    for node in graph.nodes.values():
        source = graph.nodes.get(node.inputs[0])
        if source is None or not isinstance(node.layer, Recurrent) or graph.readers(source.name) != 1:
            continue
        if isinstance(source.layer, Embedding) and _pays(source, node, node.layer, batch, goal):
            node.lookup, source.is_looked_up = source, True


def _pays(source: Node, node: Node, layer: Recurrent, batch: int, goal: Goal) -> bool:
    """Return whether the table is to be projected; dropout makes each sample's vectors its own."""
    ids = source.owned("embeddings").variable.shape[0]
    if goal.training and layer.dropout > 0:
        return False
    if goal.gradients:
        trains = layer.trainable or not source.layer.trainable
        return trains and POSITIONS_OF_AN_ID * ids <= batch * prod(source.input_shapes[0])
    return ids * layer.cell.width * layer.units <= PROJECTED
