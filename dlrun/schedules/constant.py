"""The learning rate as it is."""

from __future__ import annotations

from typing import Literal

import numpy as np

from dlrun.schedules.base import Rates, Schedule, Steps


class Constant(Schedule):
    """The same learning rate at every step, after a warm-up if one is asked for."""

    type: Literal["constant"] = "constant"

    def curve(self, steps: Steps, learning_rate: float, steps_per_epoch: int, total_steps: int) -> Rates:
        """rate[t] = learning_rate."""
        return np.full(len(steps), learning_rate, np.float64)
