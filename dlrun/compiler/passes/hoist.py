"""Takes out of the steps what is the same in all of them: packed and folded weights, where nothing trains them.

In training, weights change in each step; in inference, and of frozen layers, only from one run of steps to the next.
"""

from __future__ import annotations

from dlrun.plan import Buffer, Call, LiveValue, Plan, Step, Update, effects

LASTING = ("weights", "constant")
"""Regions whose content outlives a step unless a call changes it."""


def hoist(plan: Plan) -> None:
    """Move calls to the prologue that read only what no step changes; run before `order_calls` and `place`."""
    writers: dict[Buffer, int] = {}
    for call in plan.calls:
        for buffer in {effect.buffer for effect in effects(call) if effect.access != "read"}:
            writers[buffer] = writers.get(buffer, 0) + 1
    steady = {buffer for buffer in plan.buffers.values() if buffer.region in LASTING and buffer not in writers}
    for call in list(plan.calls):
        if _is_steady(call, steady, writers):
            steady.update(effect.buffer for effect in effects(call))
            plan.calls.remove(call)
            plan.prologue.append(call)


def _is_steady(call: Call, steady: set[Buffer], writers: dict[Buffer, int]) -> bool:
    """Return whether a call computes the same in each step, in buffers that nobody else writes."""
    if call.kernel.has_status or _is_live(call):
        return False
    return all(
        effect.buffer in steady
        if effect.access == "read"
        else effect.access == "write" and effect.buffer.region == "work" and writers[effect.buffer] == 1
        for effect in effects(call)
    )


def _is_live(step: Step) -> bool:
    """Return whether a step looks at the number of samples, or at anything else of the running step."""
    return any(
        isinstance(argument, LiveValue)
        or (isinstance(argument, Update) and any(_is_live(part) for part in argument.steps))
        for argument in step.arguments.values()
    )
