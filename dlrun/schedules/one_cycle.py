"""One rise and one long fall of the learning rate."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from dlrun.schedules.base import Rates, Schedule, Steps


class OneCycle(Schedule):
    """Rises from a small rate to the largest over the first `pct_start` of the run, then falls to almost nothing.

    PyTorch's OneCycleLR with its names and numbers; momentum is left alone.
    Source: Smith & Topin, Super-Convergence: Very Fast Training of Neural Networks Using Large Learning Rates (2018).
    """

    aliases: ClassVar[Mapping[str, str | tuple[str, ...]]] = {
        "max_lr": "max_learning_rate",
        "anneal_strategy": "annealing",
    }

    type: Literal["one_cycle"] = "one_cycle"
    max_learning_rate: float | None = Field(None, gt=0, allow_inf_nan=False)
    """The largest rate; the optimizer's learning_rate when left out."""
    pct_start: float = Field(0.3, ge=0, le=1)
    """Which part of the run the rise takes."""
    div_factor: float = Field(25.0, gt=0, allow_inf_nan=False)
    """The first rate is max_learning_rate / div_factor."""
    final_div_factor: float = Field(1e4, gt=0, allow_inf_nan=False)
    """The last rate is the first rate / final_div_factor."""
    annealing: Literal["cos", "linear"] = "cos"
    """The shape of the rise and the fall."""
    three_phase: bool = False
    """Whether the fall first mirrors the rise, then goes on to the last rate."""

    def curve(self, steps: Steps, learning_rate: float, steps_per_epoch: int, total_steps: int) -> Rates:
        """Between two corners (step, rate) the rate moves along half a cosine or a straight line."""
        corners = self._corners(self.max_learning_rate or learning_rate, total_steps)
        rates = np.full(len(steps), corners[-1][1], np.float64)
        for (begin, start), (end, goal) in reversed(list(pairwise(corners))):
            done = np.clip((steps - begin) / (end - begin), 0.0, 1.0) if end > begin else np.ones(len(steps))
            rates = np.where(steps <= end, self._between(start, goal, done), rates)
        return rates

    def _corners(self, largest: float, total_steps: int) -> list[tuple[float, float]]:
        """(step, rate) where a phase begins or ends, as PyTorch has them: a rise of no length lies before step 0."""
        first = largest / self.div_factor
        last = first / self.final_div_factor
        rise = self.pct_start * total_steps
        corners = [(0.0, first), (rise - 1.0, largest), (total_steps - 1.0, last)]
        if self.three_phase:
            corners.insert(2, (2.0 * rise - 2.0, first))
        return corners

    def _between(self, start: float, goal: float, done: Rates) -> Rates:
        if self.annealing == "linear":
            return start + (goal - start) * done
        return goal + (start - goal) / 2.0 * (1.0 + np.cos(np.pi * done))
