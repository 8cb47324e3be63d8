"""A block of a Transformer decoder."""

from __future__ import annotations

from typing import ClassVar, Literal

from dlrun.layers.base import Layer, Shape, expect_rank
from dlrun.layers.transformer import TransformerBlock


class TransformerDecoder(TransformerBlock):
    """Causal attention of a sequence (time, features) to itself, then two dense layers.

    With a second input, the encoder's output, attention to it stands in between: A. Vaswani et al. (2017), section 3.1.
    With one input it is a block of a language model.
    """

    type: Literal["transformer_decoder"] = "transformer_decoder"

    number_of_inputs: ClassVar[tuple[int, int | None]] = (1, 2)
    input_names: ClassVar[tuple[str, ...]] = ("input", "memory")

    def parts(self, *inputs: Shape) -> tuple[Layer, ...]:
        """Return the attentions and the dense layers, with normalisation, dropout and skip connections."""
        for shape in inputs:
            expect_rank(self, shape, 2, "(time, features)")
        parts = self.attention("attention", "input", causal=True)
        if len(inputs) == 2:
            parts += self.attention("cross_attention", str(parts[-1].name), "memory")
        return (*parts, *self.feed_forward(str(parts[-1].name), inputs[0][-1]))
