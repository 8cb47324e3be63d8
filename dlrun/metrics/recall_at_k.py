"""How much of what users went on to choose is among the first k items of their rankings."""

from __future__ import annotations

from typing import Literal

import numpy as np

from dlrun.metrics.base import Array, Floats
from dlrun.metrics.ranking import RankingMetric


class RecallAtK(RankingMetric):
    """The share of a user's items that are among the first `k` of all items that no training row of theirs has.

    The mean over users, reported as recall_at_10 for k 10. Where each user has one item to be found, as leave_last_out
    gives it, this is the hit rate. Measured on validation and test rows.
    """

    type: Literal["recall_at_k"] = "recall_at_k"

    def worth(self, ranks: Array) -> Floats:
        """1 for a place among the first k."""
        return (ranks < self.k).astype(np.float64)

    def most(self, items: Array) -> Floats:
        """All items."""
        return items.astype(np.float64)
