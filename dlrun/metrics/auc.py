"""The area under the ROC curve."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from dlrun.metrics.base import Array, Direction, Floats
from dlrun.metrics.scores import RankingMetric, cumulative_counts


class AUC(RankingMetric):
    """The probability that a row of a class gets a higher score for it than a row of another class.

    scikit-learn's roc_auc_score, one class against the rest. It isn't defined for a class without rows or with all
    of them: NaN, and so is then the macro average; the weighted average leaves classes without rows out.
    """

    direction: ClassVar[Direction] = "max"
    type: Literal["auc"] = "auc"

    def score(self, truth: Array, scores: Array, weights: Floats) -> float:
        """The area by the trapezoidal rule over the distinct scores."""
        hits, alarms = cumulative_counts(truth, scores, weights)
        if not len(hits) or hits[-1] <= 0 or alarms[-1] <= 0:
            return float("nan")
        return float(np.trapezoid(np.append(0.0, hits / hits[-1]), np.append(0.0, alarms / alarms[-1])))
