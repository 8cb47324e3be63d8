"""How high users' rankings have what they went on to choose."""

from __future__ import annotations

from typing import Literal

import numpy as np

from dlrun.metrics.base import Array, Floats
from dlrun.metrics.ranking import RankingMetric


class NdcgAtK(RankingMetric):
    """The normalised discounted cumulative gain of a user's first `k` items: 1 if all that they chose come first.

    The item in place r counts 1 / log2(r + 1); the sum is divided by that of the best ranking. The mean over users,
    reported as ndcg_at_10 for k 10. All items that no training row of the user has are ranked. K. Jaervelin,
    J. Kekaelaeinen, "Cumulated gain-based evaluation of IR techniques" (ACM TOIS 20, 2002); scikit-learn's ndcg_score.
    """

    type: Literal["ndcg_at_k"] = "ndcg_at_k"

    def worth(self, ranks: Array) -> Floats:
        """1 / log2(rank + 2) for a place among the first k."""
        return np.where(ranks < self.k, 1.0 / np.log2(ranks + 2.0), 0.0)

    def most(self, items: Array) -> Floats:
        """All items in the first places."""
        gains = np.cumsum(self.worth(np.arange(self.k)))
        best: Floats = gains[np.minimum(items, self.k) - 1]
        return best
