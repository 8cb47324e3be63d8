"""The mean absolute error."""

from __future__ import annotations

from typing import Literal

import numpy as np

from dlrun.metrics.base import Floats
from dlrun.metrics.errors_of_numbers import ErrorMetric


class MAE(ErrorMetric):
    """The mean of |true - predicted|, over the rows and the numbers of a row.

    scikit-learn's mean_absolute_error.
    """

    type: Literal["mae"] = "mae"

    def error(self, difference: Floats) -> Floats:
        """|difference|."""
        return np.abs(difference)
