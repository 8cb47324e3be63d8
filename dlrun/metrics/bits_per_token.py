"""How many bits it takes to write down what a model of sequences predicts."""

from __future__ import annotations

from math import log2
from typing import Literal

from dlrun.data.signature import Feature
from dlrun.metrics.base import Result, Tracker
from dlrun.metrics.perplexity import Perplexity, PerplexityTracker
from dlrun.metrics.problem import problem_of


class BitsPerToken(Perplexity):
    """The mean over all positions of sequences of -log2 p, with p the true token's probability.

    It is log2 of the perplexity. For a language model of characters these are bits per character.
    """

    type: Literal["bits_per_token"] = "bits_per_token"  # type: ignore[assignment]

    def start(self, target: Feature, outputs: int) -> Tracker:
        """A tracker without rows. Raises: ShapeError unless the target asks for one class of several."""
        problem_of(self.type, target, outputs, ("classes",))
        return BitsTracker(self.label())


class BitsTracker(PerplexityTracker):
    """Sums -log p."""

    def result(self) -> Result:
        """The mean in bits."""
        (perplexity,) = super().result().values()
        assert isinstance(perplexity, float)
        return {self.label: log2(perplexity)}
