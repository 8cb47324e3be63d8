"""Whether the ids in the data fit the tables in which embeddings look them up: said before anything runs."""

from __future__ import annotations

import numpy as np

from dlrun.compiler.graph import Graph
from dlrun.data.dataset import Array, Split
from dlrun.data.signature import Feature, Signature
from dlrun.errors import DataError

ROWS = 65536
"""Rows looked at together, so that a memory-mapped array needn't fit into memory."""


def check_ids(graph: Graph, signature: Signature, split: Split) -> None:
    """Raise DataError where a data input holds a number that the embedding taking it has no vector for."""
    for node in graph.nodes.values():
        source = node.inputs[0]
        count = node.layer.known_ids
        if count is not None and source in split.inputs:
            _check(split.inputs[source], signature.inputs[source], node.name, count)


def _check(array: Array, feature: Feature, layer: str, count: int) -> None:
    for start in range(0, len(array), ROWS):
        ids = array[start : start + ROWS]
        if feature.scale != (1.0,) or feature.offset != (0.0,):
            ids = ids * np.asarray(feature.scale) + np.asarray(feature.offset)
        bad = ~((ids >= 0) & (ids < count))
        if ids.dtype.kind == "f":
            bad |= ids != np.floor(ids)
        if bad.any():
            value = ids[bad].ravel()[0]
            raise DataError(
                f"the data input {feature.name!r} holds {value:g}, the embedding {layer!r} takes whole numbers from 0 "
                f"to {count - 1}",
                help="input_dim is the largest id plus one",
            )
