"""What recall_at_k and ndcg_at_k share: metrics of how high a ranking puts the items that a user went on to choose."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np
from pydantic import Field

from dlrun.data.signature import Feature
from dlrun.errors import ShapeError
from dlrun.metrics.base import Array, Direction, Floats, Metric, Result, Tracker, divide


class RankingMetric(Metric):
    """The mean over users of what the first k places of their ranking are worth."""

    direction: ClassVar[Direction] = "max"
    ranks: ClassVar[bool] = True

    k: int = Field(10, ge=1)
    """How many of the ranking's first places count."""

    def label(self) -> str:
        """Its name, or such as recall_at_10 for k 10."""
        return self.name or f"{self.type.removesuffix('_k')}_{self.k}"

    def start(self, target: Feature, outputs: int) -> Tracker:
        """A tracker without rows. Raises: ShapeError unless the target is what users chose."""
        if target.group == 1:
            raise ShapeError(
                f"{self.type} measures how all items rank for each user, but the target {target.name!r} asks for "
                "something else",
                help="data.negatives says which inputs are users and items: negatives: {user: user, item: item}",
            )
        return RankTracker(self)

    @abstractmethod
    def worth(self, ranks: Array) -> Floats:
        """What an item at each rank (any shape), 0 the first place, adds."""

    @abstractmethod
    def most(self, items: Array) -> Floats:
        """What the best ranking gives users with so many items to find, (users,)."""


class RankTracker(Tracker):
    """Keeps the ranks of the items that were to be found."""

    def __init__(self, metric: RankingMetric) -> None:
        super().__init__(metric.label())
        self.metric = metric
        self.users: list[Array] = []
        self.ranks: list[Array] = []

    def update(self, y_true: Array, y_pred: Array, weights: Array | None = None) -> None:
        """Takes in items to be found: y_true (n,) their users, y_pred (n,) int their ranks, 0 the first place."""
        self.users.append(np.asarray(y_true))
        self.ranks.append(np.asarray(y_pred))

    def result(self) -> Result:
        """The mean over the users who have an item to be found."""
        if not self.users:
            return {self.label: float("nan")}
        _, user, items = np.unique(np.concatenate(self.users), return_inverse=True, return_counts=True)
        found = np.bincount(user, self.metric.worth(np.concatenate(self.ranks)), minlength=len(items))
        return {self.label: divide(float(np.sum(found / self.metric.most(items))), len(items))}
