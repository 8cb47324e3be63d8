"""A layer once more, elsewhere in the graph, with the same weights."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from dlrun.layers.base import Layer


class Shared(Layer):
    """The layer named `layer` once more, on other inputs, with the same weights: the towers of a siamese network, say.

    It has that layer's fields; blocks are shared part by part. The weights are drawn, counted and kept once, and
    changed once in a step, by the sum of the gradients of all places. With `trainable: false` this place adds none.
    """

    type: Literal["shared"] = "shared"
    layer: str = Field(min_length=1)
    """The name of the layer, which comes before this one."""

    references: ClassVar[tuple[str, ...]] = ("layer",)

    @property
    def twin_of(self) -> str:  # type: ignore[override]
        """That layer's name."""
        return self.layer
