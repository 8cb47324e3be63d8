"""What the layers that take several inputs of one shape have in common."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

from dlrun.errors import ShapeError
from dlrun.layers.base import Layer, MaskRule, Shape, shape_text

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter


class Merge(Layer):
    """A layer that makes one output of several inputs, entry by entry."""

    number_of_inputs: ClassVar[tuple[int, int | None]] = (2, None)
    reads_output: ClassVar[bool] = False
    mask_rule: ClassVar[MaskRule] = "merge"
    is_by_position: ClassVar[bool] = True

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the inputs' shape. Raises ShapeError where they differ."""
        if any(shape != inputs[0] for shape in inputs):
            shapes = ", ".join(map(shape_text, inputs))
            raise ShapeError(f"{self.type} needs inputs of one shape, got {shapes}", "inputs" if self.inputs else None)
        return inputs[0]

    def flops(self, *inputs: Shape) -> int:
        """Return an operation for each entry of each input but the first."""
        return prod(inputs[0]) * (len(inputs) - 1)

    def sizes(self, emit: Emitter) -> dict[str, Any]:
        """Return the arguments that say how many entries there are."""
        return {"rows": emit.rows, "size": prod(emit.output_shape)}
