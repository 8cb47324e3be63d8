"""The root of the mean squared error."""

from __future__ import annotations

from typing import Literal

import numpy as np

from dlrun.metrics.base import Floats
from dlrun.metrics.errors_of_numbers import ErrorMetric


class RMSE(ErrorMetric):
    """The root of the mean of (true - predicted)² over the rows; with several numbers a row, the mean of their roots.

    scikit-learn's root_mean_squared_error.
    """

    type: Literal["rmse"] = "rmse"

    def error(self, difference: Floats) -> Floats:
        """difference²."""
        return np.square(difference)

    def finish(self, means: Floats) -> Floats:
        """The root of each output's mean."""
        return np.sqrt(means)
