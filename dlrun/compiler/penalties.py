"""The regularizers' penalties, as part of the loss that is reported."""

from __future__ import annotations

from math import prod

from dlrun.compiler.emitter import Builder
from dlrun.compiler.graph import Graph
from dlrun.kernels.updates import BLOCK, add_sums, collect_penalty, walk_weights
from dlrun.plan import INDEX, Update


def emit_penalties(builder: Builder, graph: Graph, collect: bool) -> None:
    """Emit the sum of the penalties on trained variables (float64, before the step's updates), if there are any.

    It ends in buffer "penalty", and with `collect` in out/penalties[index] (real), a number for each step.
    """
    found = [
        (f"{node.name}/{variable.name}", variable.regularizer.penalty, prod(variable.shape))
        for node in graph.nodes.values()
        for variable in node.variables
        if variable.regularizer is not None and variable.trainable and node.layer.trainable
    ]
    sums = []
    for name, penalty, size in found:
        builder.node = name
        sums.append(builder.buffer(f"{name}/penalties", -(-size // BLOCK), dtype="float64"))
        chain = Update(name, (penalty(sums[-1]),))
        builder.call(walk_weights, partition="split", w=builder.plan.buffers[name], chain=chain, size=size)
    total = builder.constant("no_sum", (0.0,), "float64")
    for index, ((name, _, _), part) in enumerate(zip(found, sums, strict=True)):
        builder.node = name
        last = index == len(found) - 1
        after = builder.buffer("penalty" if last else f"{name}/penalty", 1, dtype="float64")
        builder.call(add_sums, partition="one", sums=part, before=total, total=after, count=part.size)
        total = after
    if found and collect:
        builder.phase, builder.node = "collect", "collect"
        out = builder.buffer("out/penalties", 0, "data")
        builder.call(collect_penalty, partition="one", total=total, out=out, index=INDEX)
