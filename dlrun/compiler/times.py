"""Parts of the graph in which each row of the batch is several samples: the steps of a sequence."""

from __future__ import annotations

from dlrun.compiler.emitter import Builder, rows_name
from dlrun.compiler.graph import Graph
from dlrun.kernels.elementwise import multiply_rows
from dlrun.plan import ROWS


def emit_times(builder: Builder, graph: Graph) -> None:
    """Emit the numbers of samples in a step, for each number of samples that a row is."""
    for times in sorted({node.times for node in graph.nodes.values()} - {1}):
        total = builder.buffer(rows_name(times), 1, dtype="int64")
        builder.call(multiply_rows, partition="one", rows=ROWS, times=times, total=total)
