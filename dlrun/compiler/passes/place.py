"""Gives every buffer its offset in its region's arena; buffers whose lives don't overlap share bytes."""

from __future__ import annotations

from dlrun.kernels.target import MOST_COLUMNS
from dlrun.plan import Buffer, Plan, effects

ALIGNMENT = 128
SLACK = 4 * MOST_COLUMNS
"""Bytes after an arena's end that a tile may read (and ignore): as many columns of either precision as it has."""
MOST_IN_CACHE = 16 * 1024 * 1024
"""Bytes of a step's values up to which they stay in the last cache, more or less, wherever they lie."""


def is_beyond_cache(plan: Plan) -> bool:
    """Return whether a step's values are too many for the last cache: then it pays to use each while it is there.

    They share bytes, and calls keep their order. For fewer values neither would save what its barriers cost.
    """
    return sum(_aligned(buffer.bytes(plan.precision)) for buffer in plan.region("work")) > MOST_IN_CACHE


def place(plan: Plan, keep: bool = False, tight: bool = False) -> None:
    """Set the buffers' offsets. With `keep`, no two share bytes, so that every value can be looked at afterwards.

    Nor do those of little memory, unless it is to be `tight`.
    """
    for region in ("weights", "optimizer", "constant", "state"):
        plan.arena_bytes[region] = _pack(plan, plan.region(region)) + SLACK
    shares = not keep and (tight or is_beyond_cache(plan))
    plan.arena_bytes["work"] = (_share if shares else _pack)(plan, plan.region("work")) + SLACK


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _pack(plan: Plan, buffers: list[Buffer]) -> int:
    """Place buffers one after the other; return the end."""
    end = 0
    for buffer in buffers:
        buffer.offset = end
        end += _aligned(buffer.bytes(plan.precision))
    return end


def _share(plan: Plan, buffers: list[Buffer]) -> int:
    """Place the largest first, each at the lowest offset where it meets no buffer that lives at the same time."""
    lives, always = lifetimes(plan), (0, len(plan.calls))
    placed: list[Buffer] = []
    for buffer in sorted(buffers, key=lambda b: -b.bytes(plan.precision)):
        first, last = lives.get(buffer, always)
        size, offset = _aligned(buffer.bytes(plan.precision)), 0
        rivals = [b for b in placed if lives.get(b, always)[0] <= last and first <= lives.get(b, always)[1]]
        for rival in sorted(rivals, key=lambda b: b.offset):
            if offset + size <= rival.offset:
                break
            offset = max(offset, rival.offset + _aligned(rival.bytes(plan.precision)))
        buffer.offset = offset
        placed.append(buffer)
    return max((b.offset + _aligned(b.bytes(plan.precision)) for b in buffers), default=0)


def lifetimes(plan: Plan) -> dict[Buffer, tuple[int, int]]:
    """Return the first and the last call that touches each buffer; what the prologue touches lives throughout."""
    lives: dict[Buffer, tuple[int, int]] = {}
    for index, call in enumerate(plan.calls):
        for effect in effects(call):
            first, _ = lives.get(effect.buffer, (index, index))
            lives[effect.buffer] = (first, index)
    for call in plan.prologue:
        lives.update((effect.buffer, (0, len(plan.calls))) for effect in effects(call))
    return lives
