"""Random noise."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from dlrun.data.augment.base import Augmentation
from dlrun.data.signature import Feature
from dlrun.errors import ShapeError
from dlrun.kernels.noise import DRAWS, add_noise
from dlrun.plan import ScratchSize

if TYPE_CHECKING:
    from dlrun.compiler.augment_calls import AugmentEmitter


class RandomNoise(Augmentation):
    """Adds normal noise to each number."""

    type: Literal["random_noise"] = "random_noise"
    stddev: float = Field(gt=0)
    """The noise's standard deviation, in the units that the network sees, after all transforms."""

    def check(self, feature: Feature) -> None:
        """Raise ShapeError unless the input holds numbers."""
        if feature.kind in ("category", "labels", "sequence"):
            raise ShapeError(f"random_noise needs numbers, the input {feature.name!r} holds a {feature.kind}", "inputs")

    def lower(self, emit: AugmentEmitter) -> None:
        """Emit one call."""
        emit.call(
            add_noise, x=emit.x, y=emit.x, key=emit.key, stddev=self.stddev, scratch=ScratchSize(DRAWS), step=emit.step,
            rows=emit.rows, size=prod(emit.shape),
        )  # fmt: skip
