"""How much of a class is found."""

from __future__ import annotations

from typing import ClassVar, Literal

from dlrun.metrics.averaged import AveragedMetric
from dlrun.metrics.base import Direction, Floats


class Recall(AveragedMetric):
    """Of the rows of a class, the part that was found.

    scikit-learn's recall_score.
    """

    direction: ClassVar[Direction] = "max"
    type: Literal["recall"] = "recall"

    def quotient(self, hits: Floats, predicted: Floats, true: Floats) -> tuple[Floats, Floats]:
        """Hits / true."""
        return hits, true
