"""How a call is best shared out among threads: a small model of what each way moves through the caches.

A call's arithmetic is the same however it is shared; what differs is how many bytes a thread has to fetch, and how
often threads wait for each other. A way costs the bytes of one thread: what it reads whole, its share of what is
divided, and WAIT_BYTES for each barrier.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dlrun.plan import Partition

WAIT_BYTES = 20_000
"""What a thread could have fetched while it waits at a barrier: about a microsecond at 20 GB/s."""


@dataclass(frozen=True)
class Way:
    """One way to share a call: bytes that every thread reads, bytes that are divided, barriers that it brings."""

    whole: int
    divided: int
    waits: int = 0

    def bytes(self, threads: int) -> int:
        """Return what one of so many threads moves."""
        return self.whole + self.divided // threads + (self.waits * WAIT_BYTES if threads > 1 else 0)


@dataclass(frozen=True)
class Choice:
    """The way that was chosen, and why, for the plan's reader."""

    partition: Partition
    reason: str


def cheapest(ways: Mapping[Partition, Way], threads: int) -> Choice:
    """Return the way with the fewest bytes for a thread; the first of equal ones."""
    costs = {partition: way.bytes(threads) for partition, way in ways.items()}
    best = min(costs, key=lambda partition: costs[partition])
    text = ", ".join(f"{partition} {cost / 1000:,.1f} KB" for partition, cost in costs.items())
    return Choice(best, f"a thread moves: {text}")
