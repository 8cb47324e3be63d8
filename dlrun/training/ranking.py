"""All items ranked for each user: what recall_at_k and ndcg_at_k measure, and what `dlrun recommend` shows.

The network scores every item that is known from the training rows, for each user, with the other inputs of the user's
row. Items that the user has in a training row stand behind all others. None is left out by chance: rankings of samples
can put models in another order (W. Krichene, S. Rendle, "On sampled metrics for item recommendation", KDD 2020).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from dlrun.data.dataset import Array, Split
from dlrun.data.negatives import NegativesConfig, Seen, positives, seen_of
from dlrun.executor.executor import Executor
from dlrun.training.steps import run_all, step_table

if TYPE_CHECKING:
    from dlrun.training.session import Session

ROWS = 1 << 20
"""Pairs of a user and an item that are scored together."""


class Ranker:
    """Ranks items for the users of rows, by a session's network or by how popular items are."""

    def __init__(self, session: Session) -> None:
        negatives = session.config.data.negatives
        assert negatives is not None
        self.session = session
        self.negatives: NegativesConfig = negatives
        self.train = positives(session.split("train"), negatives)
        self.seen: Seen = seen_of(negatives, session.dataset.signature, self.train)

    @property
    def executor(self) -> Executor:
        """What scores pairs of users and items, with the network's present weights."""
        return self.session.evaluator("ranking", self._pairs, loss=False)

    @cached_property
    def _pairs(self) -> Split:
        """The rows that are scored together: for each user every item, one after the other."""
        everyone = self.session.dataset.signature.inputs[self.negatives.user].classes or ()
        count = min(self.together, len(everyone)) * self.seen.items
        inputs = {name: np.zeros((count, *array.shape[1:]), array.dtype) for name, array in self.train.inputs.items()}
        inputs[self.negatives.item][:] = np.resize(np.arange(self.seen.items), count)
        return Split(inputs, {}, None, np.zeros(count, np.int64))

    @property
    def together(self) -> int:
        """Users that are ranked together."""
        return max(1, ROWS // self.seen.items)

    def scores(self, rows: Mapping[str, Array]) -> Array:
        """Return the network's scores of all items for rows, (n, items), n at most `together`."""
        items, count = self.seen.items, len(rows[self.negatives.user])
        for name, array in rows.items():
            if name != self.negatives.item:
                self._pairs.inputs[name][: count * items] = np.repeat(array, items, axis=0)
        executor = self.executor
        run_all(executor, step_table(0, count * items, executor.plan.batch))
        return self.session.predictions(executor, count * items).reshape(count, items)

    def popularity(self) -> Array:
        """Return the number of training rows of each item, (items,): the baseline that knows no user."""
        items = np.asarray(self.train.inputs[self.negatives.item], np.int64)
        return np.bincount(items, minlength=self.seen.items)[: self.seen.items].astype(np.float64)

    def measure(self, split: Split, popular: bool = False) -> dict[str, Any]:
        """Return the config's metrics of ranks for a split's choices, by the network's ranking or by popularity's."""
        rows = positives(split, self.negatives)
        wanted_by, wanted = (
            np.asarray(rows.inputs[name], np.int64) for name in (self.negatives.user, self.negatives.item)
        )
        new = ~self.seen.has(wanted_by, wanted)
        users, first = np.unique(wanted_by, return_index=True)
        target = self.session.dataset.signature.target
        trackers = [metric.start(target, 1) for _, metric in self.session.config.all_metrics() if metric.ranks]
        for start in range(0, len(users), self.together):
            part = slice(start, start + self.together)
            own = new & np.isin(wanted_by, users[part])
            scores = self._popular(len(users[part])) if popular else self.scores(_rows(rows, first[part]))
            scores = self._without_seen(scores, users[part])
            ranks = ranks_of(scores, np.searchsorted(users[part], wanted_by[own]), wanted[own])
            for tracker in trackers:
                tracker.update(wanted_by[own], ranks)
        return {name: value for tracker in trackers for name, value in tracker.result().items()}

    def _popular(self, users: int) -> Array:
        return np.broadcast_to(self.popularity(), (users, self.seen.items))

    def _without_seen(self, scores: Array, users: Array) -> Array:
        scores = np.array(scores, np.float64)
        for row, user in enumerate(users):
            scores[row, self.seen.of(int(user))] = -np.inf
        return scores


def ranks_of(scores: Array, rows: Array, items: Array) -> Array:
    """Return the rank of items among all, 0 the first: how many have a higher score, or the same and a lower index.

    Items beyond those that have scores come last. Shapes: scores (users, all), rows and items (n,) → (n,) int64.
    """
    ranks = np.full(len(items), scores.shape[1], np.int64)
    index = np.arange(scores.shape[1])
    for i in np.flatnonzero(items < scores.shape[1]):
        row, own = scores[rows[i]], scores[rows[i], items[i]]
        ranks[i] = np.count_nonzero(row > own) + np.count_nonzero((row == own) & (index < items[i]))
    return ranks


def _rows(split: Split, index: Array) -> dict[str, Array]:
    return {name: array[index] for name, array in split.inputs.items()}
