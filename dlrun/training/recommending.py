"""What a user may like: the items that a trained network ranks first among those that the user doesn't have yet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dlrun.data.dataset import Array
from dlrun.data.negatives import number_of, positives
from dlrun.errors import UsageError
from dlrun.runs.directory import RunDirectory
from dlrun.training.checkpointing import open_checkpoint, put_weights
from dlrun.training.ranking import Ranker
from dlrun.training.run_data import own_data
from dlrun.training.session import Session


def recommend(run: RunDirectory, which: str | None, users: Sequence[str], count: int) -> list[dict[str, Any]]:
    """Return `count` rows for each user, the best item first: user, rank, item, score; for all users without `users`.

    Items that any row of the data has for the user are left out. Other inputs of the network are as in the user's last
    training row. Raises: UsageError where the run ranks no items or doesn't know a user; CheckpointError, DataError.
    """
    restored = open_checkpoint(run, which)
    negatives = restored.config.config.data.negatives
    if negatives is None:
        way_out = "data.negatives says which inputs are users and items: negatives: {user: user, item: item}"
        raise UsageError(f"{run.path} ranks no items: it has no negatives", way_out)
    session = restored.session(own_data(restored))
    ranker = Ranker(session)
    assert ranker.executor  # which holds the weights
    put_weights(session, restored)
    user_feature, item_feature = (session.dataset.signature.inputs[name] for name in (negatives.user, negatives.item))
    known, items = (user_feature.classes or ())[: number_of(user_feature)], item_feature.classes or ()
    chosen = [_index(user, known) for user in users] if users else list(range(len(known)))
    rows = _last_rows(ranker.train.inputs[negatives.user], chosen)
    taken = _taken(session, ranker)
    found = []
    for start in range(0, len(chosen), ranker.together):
        part = slice(start, start + ranker.together)
        scores = ranker.scores({name: array[rows[part]] for name, array in ranker.train.inputs.items()})
        for user, row in zip(chosen[part], scores, strict=True):
            free = np.setdiff1d(np.arange(ranker.seen.items), taken.get(user, []))
            best = free[np.argsort(-row[free], kind="stable")[:count]]
            found += [
                {"user": known[user], "rank": rank, "item": items[item], "score": float(row[item])}
                for rank, item in enumerate(best.tolist(), 1)
            ]
    return found


def _index(user: str, known: Sequence[str]) -> int:
    if user not in known:
        some = ", ".join(known[:5])
        raise UsageError(f"no training row has the user {user!r}", f"{len(known)} users are known, such as {some}")
    return known.index(user)


def _last_rows(owners: Array, users: Sequence[int]) -> Array:
    """Return each user's last row, (users,) int64."""
    last = {int(user): row for row, user in enumerate(owners)}
    return np.array([last[user] for user in users], np.int64)


def _taken(session: Session, ranker: Ranker) -> dict[int, list[int]]:
    """Return each user's items in all splits."""
    taken: dict[int, list[int]] = {}
    for split in session.dataset.splits.values():
        rows = positives(split, ranker.negatives).inputs
        for user, item in zip(rows[ranker.negatives.user], rows[ranker.negatives.item], strict=True):
            taken.setdefault(int(user), []).append(int(item))
    return taken
