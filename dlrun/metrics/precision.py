"""How far a decision for a class can be trusted."""

from __future__ import annotations

from typing import ClassVar, Literal

from dlrun.metrics.averaged import AveragedMetric
from dlrun.metrics.base import Direction, Floats


class Precision(AveragedMetric):
    """Of the rows said to be of a class, the part that is.

    scikit-learn's precision_score.
    """

    direction: ClassVar[Direction] = "max"
    type: Literal["precision"] = "precision"

    def quotient(self, hits: Floats, predicted: Floats, true: Floats) -> tuple[Floats, Floats]:
        """Hits / predicted."""
        return hits, predicted
