"""Zeros around images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import NonNegativeInt

from dlrun.kernels.chunks import clear
from dlrun.kernels.convolution import place
from dlrun.kernels.lang import In, Live, Out, Size, Thread, Threads, first_of, kernel, last_of, shift
from dlrun.layers.base import Layer, Shape, expect_rank

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter
    from dlrun.kernels.lang import Kernel

Sides = NonNegativeInt | tuple[NonNegativeInt, NonNegativeInt]


class ZeroPadding2D(Layer):
    """Puts rows and columns of zeros around images (height, width, channels)."""

    type: Literal["zero_padding2d"] = "zero_padding2d"
    padding: NonNegativeInt | tuple[Sides, Sides] = 1
    """As many rows and columns on every side; or [rows, columns]; or [[above, below], [left, right]]."""

    reads_output: ClassVar[bool] = False

    def sides(self) -> tuple[int, int, int, int]:
        """Return the rows above and below, and the columns left and right."""
        if isinstance(self.padding, int):
            return (self.padding,) * 4
        rows, columns = self.padding
        above, below = (rows, rows) if isinstance(rows, int) else rows
        left, right = (columns, columns) if isinstance(columns, int) else columns
        return above, below, left, right

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the larger height and width."""
        expect_rank(self, inputs[0], 3, "(height, width, channels)")
        (height, width, channels), (above, below, left, right) = inputs[0], self.sides()
        return (height + above + below, width + left + right, channels)

    def forward(self, emit: Emitter) -> None:
        """Emit one call."""
        self._call(emit, pad_forward, x=emit.input, y=emit.output)

    def backward(self, emit: Emitter) -> None:
        """Emit one call, if the gradient is wanted."""
        dx = emit.input_gradient()
        if dx is not None:
            self._call(emit, pad_backward, dy=emit.output_gradient, dx=dx)

    def _call(self, emit: Emitter, which: Kernel, **buffers: Any) -> None:
        (height, width, channels), (above, _, left, _) = emit.input_shapes[0], self.sides()
        emit.call(
            which, **buffers, rows=emit.rows, height=height, width=width, channels=channels, top=above, left=left,
            out_height=emit.output_shape[0], out_width=emit.output_shape[1],
        )  # fmt: skip


@kernel
def pad_forward(
    x: In, y: Out, rows: Live, height: Size, width: Size, channels: Size, top: Size, left: Size, out_height: Size,
    out_width: Size, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """y[r, i + top, j + left, c] = x[r, i, j, c], all else 0. Partition: samples.

    Shapes: x (rows, height, width, channels), y (rows, out_height, out_width, channels).
    """
    for r in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        target = shift(y, r * out_height * out_width * channels)
        clear(target, out_height * out_width * channels)
        place(
            shift(x, r * height * width * channels), target, height, width, channels, top, left, out_height, out_width
        )


@kernel
def pad_backward(
    dy: In, dx: Out, rows: Live, height: Size, width: Size, channels: Size, top: Size, left: Size, out_height: Size,
    out_width: Size, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """dx[r, i, j, c] = dy[r, i + top, j + left, c]. Partition: samples."""
    for r in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        for i in range(height):
            row = shift(dx, (r * height + i) * width * channels)
            source = shift(dy, ((r * out_height + i + top) * out_width + left) * channels)
            for j in range(width * channels):
                row[j] = source[j]
