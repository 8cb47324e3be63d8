"""Seeded choices that don't depend on the order in which they are made, nor on the NumPy version.

A counter-based generator (Philox: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011) is keyed by
the run's seed and by what the numbers are for, so that drawing a validation split, say, never moves the test split.
"""

from __future__ import annotations

import hashlib

import numpy as np

from dlrun.data.dataset import Array


def philox(seed: int, purpose: str) -> np.random.Philox:
    """The stream of random bits for one purpose, such as "split/validation"."""
    digest = hashlib.sha256(f"{seed}/{purpose}".encode()).digest()
    return np.random.Philox(key=int.from_bytes(digest[:16], "little"))


def generator(seed: int, purpose: str) -> np.random.Generator:
    """Random numbers of any distribution for one purpose."""
    return np.random.Generator(philox(seed, purpose))


def random_bits(rows: int, seed: int, purpose: str) -> Array:
    """64 random bits for each row, (rows,) uint64."""
    bits: Array = philox(seed, purpose).random_raw(rows)
    return bits


def permutation(rows: int, seed: int, purpose: str) -> Array:
    """The numbers 0 .. rows-1 in a random order, (rows,) int64.

    Sorts by the generator's raw bits, whose values NumPy guarantees, rather than by `Generator.permutation`, whose
    algorithm may change. Equal bits, of which no epoch is likely to have any, keep the rows' order.
    """
    bits = random_bits(rows, seed, purpose)
    order = np.argsort(bits)
    ordered = bits[order]
    return np.argsort(bits, kind="stable") if (ordered[1:] == ordered[:-1]).any() else order
