"""One vector at every step of a sequence."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import PositiveInt

from dlrun.kernels.chunks import add_places, clear
from dlrun.kernels.lang import In, Live, Out, Size, Thread, Threads, first_of, kernel, last_of, shift
from dlrun.layers.base import Layer, Shape, expect_rank

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter


class RepeatVector(Layer):
    """Makes a sequence (n, features) of a vector (features,): the same at each of its steps.

    Between an encoder's last state and a decoder, which so sees it at every step.
    """

    type: Literal["repeat_vector"] = "repeat_vector"
    n: PositiveInt
    """How many steps the sequence has."""

    reads_output: ClassVar[bool] = False

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return (n, features)."""
        expect_rank(self, inputs[0], 1, "(features,)")
        return (self.n, *inputs[0])

    def flops(self, *inputs: Shape) -> int:
        """Return 0: numbers are copied."""
        return 0

    def forward(self, emit: Emitter) -> None:
        """Emit one call."""
        emit.call(repeat_forward, x=emit.input, y=emit.output, n=self.n, size=emit.input_shapes[0][0], rows=emit.rows)

    def backward(self, emit: Emitter) -> None:
        """Emit the sum over the steps, if the gradient is wanted."""
        dx = emit.input_gradient()
        if dx is not None:
            emit.call(
                repeat_backward, dy=emit.output_gradient, dx=dx, n=self.n, size=emit.input_shapes[0][0], rows=emit.rows,
                flops=prod(emit.output_shape) * emit.batch,
            )  # fmt: skip


@kernel
def repeat_forward(x: In, y: Out, n: Size, size: Size, rows: Live, thread: Thread, threads: Threads) -> None:
    """y[r, t, i] = x[r, i] for t < n. Shapes: x (rows, size), y (rows, n, size). Partition: samples."""
    for r in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        x_here = shift(x, r * size)
        for t in range(r * n, (r + 1) * n):
            y_here = shift(y, t * size)
            for i in range(size):
                y_here[i] = x_here[i]


@kernel
def repeat_backward(dy: In, dx: Out, n: Size, size: Size, rows: Live, thread: Thread, threads: Threads) -> None:
    """dx[r, i] = sum over t < n of dy[r, t, i]. Shapes: dy (rows, n, size), dx (rows, size). Partition: samples."""
    for r in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        clear(shift(dx, r * size), size)
        add_places(shift(dy, r * n * size), shift(dx, r * size), n, size)
