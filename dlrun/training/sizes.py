"""How many threads a network's steps are worth, and how many rows an evaluation takes at a time."""

from __future__ import annotations

from dlrun.compiler.graph import Graph
from dlrun.kernels.target import available_cores
from dlrun.plan import Plan

EVALUATION_BATCH = 256
"""The most rows that an evaluation takes at a time."""
FEWEST_ROWS = 16
"""Fewer rows at a time would spend their time on the steps' beginnings."""
MOST_OF_A_BATCH = 1 << 24
"""Numbers that the network may give for an evaluation's batch."""
BYTES_IN_CACHE = 6 << 20
"""What of a step's intermediate results stays in the last cache: about a core's share of it on a server or a laptop."""
WORK_OF_A_THREAD = 250_000
"""Floating-point operations of a forward pass that make another thread worth its barriers: a step of some 20 us."""


def choose_threads(threads: int | str, graph: Graph, batch: int) -> int:
    """Return the number of threads: as given, or for "auto" one for each core this process may use.

    A step that is too small to be shared has fewer of them: waiting for each other would take longer than the work,
    above all beside other busy processes. The results don't depend on it.
    """
    if isinstance(threads, int):
        return threads
    work = batch * sum(node.flops for node in graph.nodes.values())
    return max(1, min(available_cores(), work // WORK_OF_A_THREAD))


def rows_in_cache(plan: Plan, plans: int = 1) -> int:
    """Return how many rows at a time keep an evaluation's intermediate results in the cache: at most the plan's batch.

    So many of such plans share the cache.

    Layers are computed one after the other, each for all rows of a step, so that what one writes comes back from the
    cache or, of many rows, from memory. The results don't depend on it.
    """
    row = plan.arena_bytes["work"] / plan.batch
    rows = int(BYTES_IN_CACHE / plans / row)
    least = max(FEWEST_ROWS // plans, 1)
    return plan.batch if rows >= plan.batch else min(plan.batch, max(least, 1 << max(rows, 1).bit_length() - 1))
