"""A block of a Transformer encoder."""

from __future__ import annotations

from typing import Literal

from dlrun.layers.base import Layer, Shape, expect_rank
from dlrun.layers.transformer import TransformerBlock


class TransformerEncoder(TransformerBlock):
    """Attention of a sequence (time, features) to itself, then two dense layers.

    A. Vaswani et al., Attention is all you need (2017), section 3.1.
    """

    type: Literal["transformer_encoder"] = "transformer_encoder"

    def parts(self, *inputs: Shape) -> tuple[Layer, ...]:
        """Return attention and the dense layers, with normalisation, dropout and skip connections."""
        expect_rank(self, inputs[0], 2, "(time, features)")
        attention = self.attention("attention", "input")
        return (*attention, *self.feed_forward(str(attention[-1].name), inputs[0][-1]))
