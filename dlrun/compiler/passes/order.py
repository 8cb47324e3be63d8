"""Orders calls so that threads meet less often: what needs no barrier yet is done before the next one.

A step's calls come out of the graph layer by layer. Going back, each layer gives its input's gradient (by samples)
and then its weights' (by weights), which threads would have to wait for in every layer. Here the gradients of inputs
go first, one after another, and the weights follow behind one barrier. Calls that depend on each other keep their
order; so do the calls that change weights and the one that may refuse the step. No number changes.

Where a step's values don't stay in the cache, calls keep the layers' order: the gradient of a layer's output is then
used for its weights before others take its place, which saves more than barriers cost.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from dlrun.compiler.passes.barriers import same_samples
from dlrun.compiler.passes.place import is_beyond_cache
from dlrun.plan import Buffer, Call, Effect, Plan, effects

LASTING = ("weights", "optimizer", "state")
"""What a step that is refused must leave as it was."""


def order_calls(plan: Plan) -> None:
    """Put the plan's calls in an order with few barriers; run before `place`, which goes by lifetimes."""
    if is_beyond_cache(plan):
        return
    found = [list(effects(call)) for call in plan.calls]
    before = _dependences(plan.calls, found)
    waiting, ordered = list(range(len(plan.calls))), []
    since: set[int] = set()
    done: set[int] = set()
    while waiting:
        ready = [index for index in waiting if done.issuperset(before[index])]
        free = [index for index in ready if not _needs_barrier(plan, found, before[index] & since, index)]
        if not free:
            since.clear()
        index = free[0] if free else ready[0]
        waiting.remove(index)
        ordered.append(index)
        done.add(index)
        since.add(index)
    plan.calls = [plan.calls[index] for index in ordered]


def _dependences(calls: Sequence[Call], found: Sequence[Sequence[Effect]]) -> list[set[int]]:
    """Return for each call the earlier ones that must stay earlier."""
    users: dict[Buffer, list[tuple[int, Effect]]] = defaultdict(list)
    refusing: list[int] = []
    changing: list[int] = []
    result = []
    for index, mine in enumerate(found):
        before = {earlier for b in mine for earlier, a in users[b.buffer] if _conflict(a, b)}
        if any(effect.access != "read" and effect.buffer.region in LASTING for effect in mine):
            before.update(refusing)
            changing.append(index)
        if calls[index].kernel.has_status:
            before.update(changing)
            refusing.append(index)
        for effect in mine:
            users[effect.buffer].append((index, effect))
        result.append(before - {index})
    return result


def _conflict(a: Effect, b: Effect) -> bool:
    return a.buffer is b.buffer and a.buffer.region != "data" and not a.access == b.access == "read"


def _needs_barrier(plan: Plan, found: Sequence[Sequence[Effect]], before: set[int], index: int) -> bool:
    """Return whether a call touches what another thread may be using, of the calls before it since the last barrier."""
    return any(
        _conflict(a, b) and not (a.buffer.row_size is not None and _same_rows(plan, earlier, index))
        for earlier in before
        for a in found[earlier]
        for b in found[index]
    )


def _same_rows(plan: Plan, first: int, second: int) -> bool:
    return same_samples(plan.calls[first], plan.calls[second], plan.threads)
