"""Another shape for the same numbers."""

from __future__ import annotations

from math import prod
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from dlrun.errors import ShapeError
from dlrun.layers.base import Layer, Shape, shape_text


class Reshape(Layer):
    """Gives each sample another shape, in row-major order; costs nothing."""

    type: Literal["reshape"] = "reshape"
    target_shape: tuple[Annotated[int, Field(ge=-1)], ...] = Field(min_length=1)
    """The shape without the batch; one extent may be -1, which takes what is left."""

    is_alias: ClassVar[bool] = True

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the target shape with its -1 filled in. Raises ShapeError where the numbers don't fit."""
        size, free = prod(inputs[0]), self.target_shape.count(-1)
        if 0 in self.target_shape:
            raise ShapeError("target_shape has an extent of 0", "target_shape")
        if free > 1:
            raise ShapeError("target_shape has more than one -1", "target_shape", "only one extent can be worked out")
        known = prod(extent for extent in self.target_shape if extent != -1)
        if size != known if free == 0 else size % known != 0:
            raise ShapeError(
                f"the input's shape {shape_text(inputs[0])} holds {size} numbers, which don't fit into "
                f"{shape_text(self.target_shape)}",
                "target_shape",
            )
        return tuple(size // known if extent == -1 else extent for extent in self.target_shape)
