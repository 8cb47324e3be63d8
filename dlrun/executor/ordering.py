"""Random orders of rows, as `dlrun.data.random.permutation` has them, in a fourth of its time."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from dlrun.data.random import permutation, random_bits
from dlrun.executor.executor import Array, Executor
from dlrun.kernels.ordering import order_by_bits
from dlrun.plan import Buffer, Call, Plan

MANY_ROWS = 4096
"""From so many rows on, a kernel of our own costs less than it saves."""
MOST_DIGITS = 16
"""Digits of the bits that choose a bucket, at most: more buckets wouldn't stay in L2."""


def shuffled(rows: int, seed: int, purpose: str) -> Array:
    """Return the numbers 0 .. rows-1 in a random order, (rows,) int64: those of `permutation`."""
    return permutation(rows, seed, purpose) if rows < MANY_ROWS else order_of(random_bits(rows, seed, purpose))


def order_of(bits: Array) -> Array:
    """Return what sorts the bits: `np.argsort(bits, kind="stable")`. Shapes: (rows,) uint64 → (rows,) int64."""
    executor = _executor(len(bits))
    executor.data["bits"][:] = bits.view(np.int64)
    executor.run(np.ones((1, 1), np.int64), np.zeros((1, 1)))
    return executor.data["order"].copy()


@lru_cache(maxsize=2)
def _executor(rows: int) -> Executor:
    digits = min(max(rows, 1).bit_length(), MOST_DIGITS)
    sizes = {"bits": rows, "order": rows, "starts": 1 << digits}
    plan = Plan("float32", 1, [], {name: Buffer(name, size, "data", "int64") for name, size in sizes.items()})
    plan.calls.append(Call(order_by_bits, {**plan.buffers, "count": rows, "digits": digits}, "one"))
    return Executor(plan, 1, {name: np.zeros(size, np.int64) for name, size in sizes.items()})
