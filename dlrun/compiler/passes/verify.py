"""Checks that a plan is legal; a plan that isn't is a bug of the compiler, found before a byte is touched."""

from __future__ import annotations

from dlrun.compiler.emitter import check_arguments
from dlrun.compiler.passes.place import lifetimes
from dlrun.plan import Buffer, Plan, effects


class IllegalPlan(Exception):
    """The compiler made a plan that breaks its own rules."""


def verify(plan: Plan) -> None:
    """Raise IllegalPlan unless the plan keeps these rules.

    1. Every call has just the arguments its kernel declares, each of its kind.
    2. Every buffer that is used belongs to the plan.
    3. What a call reads from the work arena was written before, in this step or in the prologue.
    4. A call that one thread makes alone returns no status, which the others wouldn't see.
    5. Buffers that live at the same time don't overlap, and all lie within their arena.
    """
    known = set(plan.buffers.values())
    written: set[Buffer] = set()
    for call in (*plan.prologue, *plan.calls):
        check_arguments(call.kernel, dict(call.arguments))
        if call.partition == "one" and call.kernel.has_status:
            raise IllegalPlan(f"{call.kernel.name} of {call.node} returns a status, and one thread alone calls it")
        for effect in effects(call):
            buffer = effect.buffer
            if buffer not in known:
                raise IllegalPlan(f"{call.kernel.name} of {call.node} uses a buffer of another plan: {buffer.name}")
            if effect.access in ("read", "update") and buffer.region == "work" and buffer not in written:
                raise IllegalPlan(f"{call.kernel.name} of {call.node} reads {buffer.name} before it is written")
            if effect.access in ("write", "update"):
                written.add(buffer)
    _verify_places(plan)


def _verify_places(plan: Plan) -> None:
    lives = lifetimes(plan)
    for region, end in plan.arena_bytes.items():
        placed = sorted((b for b in plan.region(region) if b.size), key=lambda b: b.offset)
        for index, buffer in enumerate(placed):
            stop = buffer.offset + buffer.bytes(plan.precision)
            if stop > end:
                raise IllegalPlan(f"{buffer.name} ends beyond its arena {region}")
            for other in placed[index + 1 :]:
                if other.offset >= stop:
                    break
                a, b = lives.get(buffer), lives.get(other)
                if a is None or b is None or (a[0] <= b[1] and b[0] <= a[1]):
                    raise IllegalPlan(f"{buffer.name} and {other.name} live at the same time in the same bytes")
