"""Rows drawn with the same share from every class."""

from __future__ import annotations

import numpy as np

from dlrun.data.dataset import Array
from dlrun.data.random import permutation


def stratified(classes: Array, rows: Array, count: int, seed: int, purpose: str) -> Array:
    """`count` of the row numbers `rows`, sorted, each class in proportion to its rows.

    Every class gets the whole part of its exact share; the rows that are left go to the classes with the largest
    remainders (Hamilton's method), ties to the first class. `classes` (all rows,) is indexed by row number.
    """
    labels, where = np.unique(classes[rows], return_inverse=True)
    sizes = np.bincount(where, minlength=len(labels))
    # In integers: a floating-point share of, say, 0.1 * 30 would round below its whole part.
    quotas, remainders = np.divmod(sizes.astype(np.int64) * count, len(rows))
    left = count - int(quotas.sum())
    quotas[np.argsort(-remainders, kind="stable")[:left]] += 1
    shuffled = permutation(len(rows), seed, purpose)
    by_class = shuffled[np.argsort(where[shuffled], kind="stable")]
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    rank = np.arange(len(rows)) - np.repeat(starts, sizes)
    chosen: np.ndarray[tuple[int, ...], np.dtype[np.int64]] = rows[by_class[rank < np.repeat(quotas, sizes)]]
    return np.sort(chosen)
