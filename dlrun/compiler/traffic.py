"""How many bytes a call's buffers have that it reads and writes."""

from __future__ import annotations

from dlrun.plan import Buffer, Call, Plan, effects


def moved_bytes(plan: Plan, call: Call) -> int:
    """Return the bytes of the buffers a call reads, plus those of the buffers it writes, in a full step.

    Each counts once, whatever the threads and the caches make of it, and one that is updated twice. Of the data set
    and of what is collected from all steps, a step's share counts; scratch memory doesn't.
    """
    total = 0
    for effect in effects(call):
        size = _step_bytes(plan, call, effect.buffer)
        total += 2 * size if effect.access == "update" else size
    return total


def _step_bytes(plan: Plan, call: Call, buffer: Buffer) -> int:
    """Return a buffer's bytes; of one that is bound from outside, those that belong to the step's samples."""
    if buffer.region != "data":
        return buffer.bytes(plan.precision)
    size = call.arguments.get("size")
    if buffer.name == "order":
        entries = plan.batch
    elif call.phase in ("data", "collect") and isinstance(size, int):
        entries = plan.batch * size
    else:
        entries = 1
    return entries * buffer.item_bytes(plan.precision)
