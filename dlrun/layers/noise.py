"""What the layers that add noise in training have in common."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from dlrun.layers.base import Layer, MaskRule, Shape

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter


class Noise(Layer):
    """A layer that changes its input at random in training, and leaves it alone otherwise."""

    seed: int | None = Field(default=None, ge=0)
    """What the random numbers are drawn from; the run's seed and the layer's name when left out."""

    mask_rule: ClassVar[MaskRule] = "pass"
    is_by_position: ClassVar[bool] = True

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the input's shape."""
        return inputs[0]

    def is_alias_when(self, training: bool) -> bool:
        """Return whether nothing is to be done: in inference, or where the noise has no strength."""
        return not training or self.strength == 0

    @property
    def strength(self) -> float:
        """How much noise there is: at 0 there is none."""
        raise TypeError(f"{type(self).__name__} has no strength")

    def key(self, emit: Emitter) -> int:
        """Return the key of the layer's random numbers: 62 bits."""
        if self.seed is None:
            return emit.random_key(self.type)
        digest = hashlib.blake2b(f"{self.type}/{self.seed}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "little") >> 2
