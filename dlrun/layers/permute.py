"""Axes in another order."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dlrun.errors import ShapeError
from dlrun.kernels.lang import In, InLong, Live, Out, Size, Thread, Threads, first_of, helper, kernel, last_of, shift
from dlrun.layers.base import Layer, Shape, shape_text

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

    def _arguments(self, emit: Emitter) -> dict[str, Any]:
        """Return the shape of the output and, for each of its axes, the distance of neighbours in the input."""
        shape = emit.input_shapes[0]
        strides = [prod(shape[axis:]) for axis in self.dims]
        return {
            "extents": emit.constant("extents", tuple(map(float, emit.output_shape)), "int64"),
            "strides": emit.constant("strides", tuple(map(float, strides)), "int64"),
            "rank": len(shape), "size": prod(shape), "rows": emit.rows,
        }  # fmt: skip

    def forward(self, emit: Emitter) -> None:
        """Emit the gathering of the input's entries."""
        emit.call(permute_forward, x=emit.input, y=emit.output, **self._arguments(emit))

    def backward(self, emit: Emitter) -> None:
        """Emit the scattering of the gradient."""
        dx = emit.input_gradient()
        if dx is not None:
            emit.call(permute_backward, dy=emit.output_gradient, dx=dx, **self._arguments(emit))


@helper
def source_of(i, extents, strides, rank):  # type: ignore[no-untyped-def]
    """Return the sum of entry i's indices, in an array of these extents, times `strides`."""
    j = 0
    for axis in range(rank - 1, -1, -1):
        j += i % extents[axis] * strides[axis]
        i //= extents[axis]
    return j


@kernel
def permute_forward(
    x: In, y: Out, extents: InLong, strides: InLong, rank: Size, size: Size, rows: Live, thread: Thread,
    threads: Threads,
) -> None:  # fmt: skip
    """y[n, i] = x[n, j], where j is the sum of i's indices times `strides`. Partition: samples."""
    for n in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        x_here, y_here = shift(x, n * size), shift(y, n * size)
        for i in range(size):
            y_here[i] = x_here[source_of(i, extents, strides, rank)]


@kernel
def permute_backward(
    dy: In, dx: Out, extents: InLong, strides: InLong, rank: Size, size: Size, rows: Live, thread: Thread,
    threads: Threads,
) -> None:  # fmt: skip
    """dx[n, j] = dy[n, i], where j is the sum of i's indices times `strides`. Partition: samples."""
    for n in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        g_here, out = shift(dy, n * size), shift(dx, n * size)
        for i in range(size):
            out[source_of(i, extents, strides, rank)] = g_here[i]
