"""Flattening."""

from math import prod
from typing import ClassVar, Literal

from dlrun.layers.base import Layer, Shape


class Flatten(Layer):
    """Makes one axis of all axes, in row-major order; costs nothing."""

    type: Literal["flatten"] = "flatten"
    is_alias: ClassVar[bool] = True

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the product of the extents."""
        return (prod(inputs[0]),)
