"""The mean squared error."""

from __future__ import annotations

from typing import Literal

import numpy as np

from dlrun.metrics.base import Floats
from dlrun.metrics.errors_of_numbers import ErrorMetric


class MSE(ErrorMetric):
    """The mean of (true - predicted)², over the rows and the numbers of a row.

    scikit-learn's mean_squared_error.
    """

    type: Literal["mse"] = "mse"

    def error(self, difference: Floats) -> Floats:
        """difference²."""
        return np.square(difference)
