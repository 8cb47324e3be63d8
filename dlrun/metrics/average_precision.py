"""The area under the precision-recall curve, as a sum of steps."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from dlrun.metrics.base import Array, Direction, Floats
from dlrun.metrics.scores import RankingMetric, cumulative_counts


class AveragePrecision(RankingMetric):
    """The precision at each threshold, weighted by the recall gained there.

    scikit-learn's average_precision_score, one class against the rest; 0 for a class without rows.
    """

    direction: ClassVar[Direction] = "max"
    type: Literal["average_precision"] = "average_precision"

    def score(self, truth: Array, scores: Array, weights: Floats) -> float:
        """sum over the thresholds of (recall - recall before) * precision."""
        hits, alarms = cumulative_counts(truth, scores, weights)
        if not len(hits) or hits[-1] <= 0:
            return 0.0
        recall = hits / hits[-1]
        return float(np.sum(np.diff(recall, prepend=0.0) * hits / (hits + alarms)))
