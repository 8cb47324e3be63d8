"""Axes in another order."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, ClassVar, Literal

from dlrun.errors import ShapeError
from dlrun.kernels.lang import In, InLong, Live, Out, Size, Thread, Threads, first_of, kernel, last_of, shift
from dlrun.layers.base import Layer, Shape, shape_text
from dlrun.plan import Buffer

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter


class Permute(Layer):
    """Puts the axes of each sample into another order."""

    type: Literal["permute"] = "permute"
    dims: tuple[int, ...]
    """The axes in their new order, counted from 1 (0 is the batch): [2, 1] swaps the axes of a matrix."""

    reads_output: ClassVar[bool] = False

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the extents in their new order."""
        rank = len(inputs[0])
        if sorted(self.dims) != list(range(1, rank + 1)):
            message = f"dims must name each of the axes 1 to {rank} of the input {shape_text(inputs[0])} once"
            raise ShapeError(f"{message}, got {list(self.dims)}", "dims")
        return tuple(inputs[0][axis - 1] for axis in self.dims)

    def forward(self, emit: Emitter) -> None:
        """Emit the gathering of the input's entries."""
        order = [axis - 1 for axis in self.dims]
        self._gather(emit, "forward", emit.input, emit.output, emit.input_shapes[0], order)

    def backward(self, emit: Emitter) -> None:
        """Emit the gathering of the gradient's entries: the axes go back to where they were."""
        dx = emit.input_gradient()
        if dx is not None:
            order = [self.dims.index(axis + 1) for axis in range(len(self.dims))]
            self._gather(emit, "backward", emit.output_gradient, dx, emit.output_shape, order)

    def _gather(self, emit: Emitter, direction: str, x: Buffer, y: Buffer, shape: Shape, order: Sequence[int]) -> None:
        """Emit y = x with its axes, of these extents, in this order."""
        extents = tuple(float(shape[axis]) for axis in order)
        strides = tuple(float(prod(shape[axis + 1 :])) for axis in order)
        emit.call(
            permute, x=x, y=y, extents=emit.constant(f"{direction}_extents", extents, "int64"),
            strides=emit.constant(f"{direction}_strides", strides, "int64"),
            rank=len(shape), size=prod(shape), rows=emit.rows,
        )  # fmt: skip


@kernel
def permute(
    x: In, y: Out, extents: InLong, strides: InLong, rank: Size, size: Size, rows: Live, thread: Thread,
    threads: Threads,
) -> None:  # fmt: skip
    """y[n, i] = x[n, j], where j is the sum of i's indices times `strides`. Partition: samples.

    extents, strides (rank): for each axis of y, its extent, and the distance of neighbours in x.
    """
    for n in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        x_here, y_here = shift(x, n * size), shift(y, n * size)
        for i in range(size):
            rest, j = i, 0
            for axis in range(rank - 1, -1, -1):
                j += rest % extents[axis] * strides[axis]
                rest //= extents[axis]
            y_here[i] = x_here[j]
