"""Precision and recall in one number."""

from __future__ import annotations

from typing import ClassVar, Literal

from dlrun.metrics.averaged import AveragedMetric
from dlrun.metrics.base import Direction, Floats


class F1(AveragedMetric):
    """The harmonic mean of precision and recall.

    scikit-learn's f1_score.
    """

    direction: ClassVar[Direction] = "max"
    type: Literal["f1"] = "f1"

    def quotient(self, hits: Floats, predicted: Floats, true: Floats) -> tuple[Floats, Floats]:
        """2 hits / (predicted + true)."""
        return 2.0 * hits, predicted + true
