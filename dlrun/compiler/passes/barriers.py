"""Sets barriers: all threads meet before a call that touches memory another thread's earlier call may be using."""

from __future__ import annotations

from collections.abc import Sequence

from dlrun.plan import CHUNKS, ROWS, Call, Effect, Plan, effects


def set_barriers(plan: Plan) -> None:
    """Mark the calls that need a barrier before them; run after `place`.

    Two accesses need one between them if one of them writes, their bytes overlap, and it isn't certain that each
    thread touches only what itself touched: the same buffer, shared out by the same samples in both calls. All threads
    meet before each step, so after the prologue too.
    """
    _set_between(plan, plan.prologue)
    _set_between(plan, plan.calls)


def _set_between(plan: Plan, calls: Sequence[Call]) -> None:
    since: list[tuple[Call, list[Effect]]] = []
    for call in calls:
        mine = list(effects(call))
        call.barrier = any(
            _conflict(plan, plan.threads, before, call, a, b) for before, theirs in since for a in theirs for b in mine
        )
        if call.barrier:
            since.clear()
        since.append((call, mine))


def _conflict(plan: Plan, threads: int, first: Call, second: Call, a: Effect, b: Effect) -> bool:
    if a.access == b.access == "read" or a.buffer.region != b.buffer.region or a.buffer.region == "data":
        return False
    if first.partition == second.partition == "one" or threads == 1:
        return False
    if a.buffer is not b.buffer:
        a_end = a.buffer.offset + a.buffer.bytes(plan.precision)
        b_end = b.buffer.offset + b.buffer.bytes(plan.precision)
        return a.buffer.offset < b_end and b.buffer.offset < a_end
    return not (a.buffer.row_size is not None and same_samples(first, second, threads))


def same_samples(first: Call, second: Call, threads: int) -> bool:
    """Return whether each thread has the same samples in both calls, or the same parts of their halves.

    The calls must count rows, or steps of sequences, alike.
    """
    if first.arguments.get("rows", ROWS) != second.arguments.get("rows", ROWS):
        return False
    if first.partition == second.partition == "halves":
        return True
    return by_samples(first, threads) and by_samples(second, threads)


def by_samples(call: Call, threads: int) -> bool:
    """Return whether each thread has the samples [rows * t / threads, rows * (t + 1) / threads) of this call."""
    return call.partition == "samples" or (call.partition == "chunks" and CHUNKS % threads == 0)
