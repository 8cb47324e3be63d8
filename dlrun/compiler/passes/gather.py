"""Lets rows be gathered by the threads that will read them: by halves, where their first reader goes by halves."""

from __future__ import annotations

from dlrun.kernels.halves import middle_of
from dlrun.plan import Argument, Call, Plan, effects


def follow_readers(plan: Plan) -> None:
    """Share out each gathering of an input as the call that reads its rows first; run before `order_calls`."""
    for index, call in enumerate(plan.calls):
        if "middle" not in call.kernel.arguments or call.phase != "data":
            continue
        first = next((other for other in plan.calls[index + 1 :] if _touches(other, call.arguments["y"])), None)
        if first is not None and first.partition == "halves":
            _go_by_halves(call)


def _touches(call: Call, buffer: Argument) -> bool:
    return any(effect.buffer is buffer for effect in effects(call))


def _go_by_halves(call: Call) -> None:
    """Change a call, if its second halves begin with a first channel, or there is a channel for each entry."""
    size, channels = call.arguments["size"], call.arguments["channels"]
    assert isinstance(size, int)
    assert isinstance(channels, int)
    middle = middle_of(size)
    if channels == size or middle % channels == 0:
        call.partition, call.arguments = "halves", {**call.arguments, "middle": middle}
