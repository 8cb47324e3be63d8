"""Lets rows be gathered by the threads that will read them: by halves, where their first reader goes by halves."""

from __future__ import annotations

from dlrun.kernels.halves import middle_of
from dlrun.plan import Argument, Call, Plan, effects


def follow_readers(plan: Plan) -> None:
    """Share out each gathering of an input as the call that reads its rows first; run before `order_calls`."""
    for index, call in enumerate(plan.calls):
        if "middle" not in call.kernel.arguments or call.phase != "data":
            continue
        readers = [other for other in plan.calls[index + 1 :] if _touches(other, call.arguments["y"])]
        if readers and readers[0].partition == "halves":
            _go_by_halves(call, readers, plan.batch)


def _touches(call: Call, buffer: Argument) -> bool:
    return any(effect.buffer is buffer for effect in effects(call))


def _find_halves(readers: list[Call]) -> bool:
    """Return whether all of them can read rows whose halves are apart."""
    return all("apart" in reader.kernel.arguments for reader in readers)


def _go_by_halves(call: Call, readers: list[Call], batch: int) -> None:
    """Change a call, if its second halves begin with a first channel, or there is a channel for each entry.

    Halves lie apart where all that read them can do with that.
    """
    size, channels = call.arguments["size"], call.arguments["channels"]
    assert isinstance(size, int)
    assert isinstance(channels, int)
    middle = middle_of(size)
    if channels != size and middle % channels != 0:
        return
    call.partition, call.arguments = "halves", {**call.arguments, "middle": middle}
    if _find_halves(readers):
        for each in (call, *readers):
            each.arguments = {**each.arguments, "middle": middle, "apart": batch}
