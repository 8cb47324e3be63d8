"""What the loss is summed from: the losses of several targets, and the terms that layers add."""

from __future__ import annotations

from collections.abc import Sequence

from dlrun.compiler.data_calls import emit_weights
from dlrun.compiler.emitter import Builder, added_losses_name
from dlrun.compiler.graph import Graph
from dlrun.compiler.heads import Head
from dlrun.kernels.added_losses import begin_term, extend_term
from dlrun.kernels.elementwise import accumulate, copy
from dlrun.plan import ROWS


def emit_total(builder: Builder, heads: Sequence[Head]) -> None:
    """Emit the sum of the heads' losses, sample by sample, in the heads' order; it ends in buffer "losses"."""
    builder.phase, builder.node = "loss", "total"
    total = builder.rows_buffer("losses", 1)
    for index, head in enumerate(heads):
        part = builder.plan.buffers[f"{head.place}losses"]
        builder.call(accumulate if index else copy, x=part, y=total, rows=ROWS, size=1)


def emit_added_losses(builder: Builder, graph: Graph, weighted: bool) -> list[str]:
    """Emit the addition of the layers' terms to the losses; return the terms' names.

    Each term ends in buffer `term_name`, (rows), that of several layers with one name as their sum. Terms are weighted
    as samples are.
    """
    names: list[str] = []
    for node in graph.nodes.values():
        if node.layer.adds_loss is None:
            continue
        name = node.layer.adds_loss
        builder.phase, builder.node = "loss", node.name
        builder.call(
            extend_term if name in names else begin_term, added=builder.plan.buffers[added_losses_name(node)],
            weights=emit_weights(builder, weighted), term=builder.rows_buffer(term_name(name), 1),
            losses=builder.plan.buffers["losses"], rows=ROWS,
        )  # fmt: skip
        if name not in names:
            names.append(name)
    return names


def term_name(name: str) -> str:
    """Return the name of the buffer with a term of the loss."""
    return f"loss/added/{name}"
