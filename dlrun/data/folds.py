"""Cross-validation's folds: which rows test in one of them, and rows of a group kept together."""

from __future__ import annotations

import numpy as np

from dlrun.data.dataset import Array
from dlrun.data.random import permutation


def dealt_folds(rows: Array, folds: int, classes: Array | None, seed: int) -> list[Array]:
    """Each fold's row numbers, sorted: dealt out one after the other after a shuffle, class by class if there are any.

    Folds differ by at most one row, and so do the rows that they have of a class. `rows` (rows,) are row numbers,
    `classes` (all rows,) is indexed by them. Source: R. Kohavi, "A study of cross-validation and bootstrap for accuracy
    estimation and model selection" (IJCAI 1995), for stratified folds.
    """
    shuffled = rows[permutation(len(rows), seed, "split/folds")]
    if classes is not None:
        shuffled = shuffled[np.argsort(classes[shuffled], kind="stable")]
    return [np.sort(shuffled[fold::folds]) for fold in range(folds)]


def grouped_folds(rows: Array, folds: int, groups: Array, seed: int) -> list[Array]:
    """Each fold's row numbers, sorted, where rows of a group are all in the same fold.

    The largest group comes first, each into the fold with the fewest rows so far; equals in a random order. `groups`
    (all rows,) is indexed by row number.
    """
    labels, where = np.unique(groups[rows], return_inverse=True)
    sizes = np.bincount(where, minlength=len(labels))
    shuffled = permutation(len(labels), seed, "split/folds")
    fold_of, filled = np.zeros(len(labels), np.int64), np.zeros(folds, np.int64)
    for group in shuffled[np.argsort(-sizes[shuffled], kind="stable")]:
        fold_of[group] = np.argmin(filled)
        filled[fold_of[group]] += sizes[group]
    return [np.sort(rows[fold_of[where] == fold]) for fold in range(folds)]


def forward_fold(rows: Array, folds: int, fold: int, order: Array | None) -> tuple[Array, Array]:
    """(the rows before a fold, the fold's rows), each sorted: the past trains, what follows tests.

    The rows in their order make folds + 1 parts, of which the first takes what is left over; the parts up to number
    `fold` (from 1) come before, the next one is the fold. `order` (all rows,) ranks the rows. Source: L. Tashman,
    "Out-of-sample tests of forecasting accuracy" (International Journal of Forecasting 16, 2000), rolling origin.
    """
    ranked = rows if order is None else rows[np.argsort(order[rows], kind="stable")]
    size = len(rows) // (folds + 1)
    end = len(rows) - (folds - fold) * size
    return np.sort(ranked[: end - size]), np.sort(ranked[end - size : end])


def drawn_groups(rows: Array, count: int, groups: Array, seed: int, purpose: str) -> Array:
    """About `count` of the row numbers, sorted: whole groups in a random order, as long as each brings it nearer."""
    labels, where = np.unique(groups[rows], return_inverse=True)
    sizes = np.bincount(where, minlength=len(labels))
    chosen, filled = np.zeros(len(labels), bool), 0
    for group in permutation(len(labels), seed, purpose):
        if abs(filled + sizes[group] - count) < abs(filled - count):
            chosen[group] = True
            filled += int(sizes[group])
    return np.sort(rows[chosen[where]])
