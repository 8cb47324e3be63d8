"""Padding of sequences of numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from dlrun.kernels.entries import get, put
from dlrun.kernels.lang import In, Live, Number, Out, Size, Thread, Threads, first_of, kernel, last_of, real, shift
from dlrun.layers.base import Layer, MaskRule, Shape, expect_rank

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter


class Masking(Layer):
    """Takes the steps of a sequence (time, features) whose numbers all are `mask_value` for padding.

    Layers that follow leave them out. The output is the input, with zeros at padding.
    """

    type: Literal["masking"] = "masking"
    mask_value: float = 0.0
    """The number that padding is made of, as the layer sees it: after the input's transforms."""

    is_in_place: ClassVar[bool] = True
    reads_output: ClassVar[bool] = False
    mask_rule: ClassVar[MaskRule] = "make"
    starts_mask: ClassVar[bool] = True

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the input's shape."""
        expect_rank(self, inputs[0], 2, "(time, features)")
        return inputs[0]

    def forward(self, emit: Emitter) -> None:
        """Emit one call."""
        time, features = emit.output_shape
        emit.call(
            masking_forward, x=emit.input, y=emit.output, mask=emit.new_mask, value=self.mask_value, time=time,
            features=features, rows=emit.rows,
        )  # fmt: skip

    def backward(self, emit: Emitter) -> None:
        """Emit one call, if the gradient is wanted."""
        dx = emit.input_gradient()
        if dx is not None:
            time, features = emit.output_shape
            emit.call(
                masking_backward, dy=emit.output_gradient, mask=emit.new_mask, dx=dx, time=time, features=features,
                rows=emit.rows,
            )  # fmt: skip


@kernel
def masking_forward(
    x: In, y: Out, mask: Out, value: Number, time: Size, features: Size, rows: Live, thread: Thread, threads: Threads
) -> None:
    """mask[r, t] = 1 where any x[r, t, i] isn't `value`; y = x there, else 0.

    Shapes: x, y (rows, time, features), mask (rows, time). y may be x. Partition: samples.
    """
    for p in range(first_of(rows, thread, threads) * time, last_of(rows, thread, threads) * time):
        x_here, y_here, others = shift(x, p * features), shift(y, p * features), 0
        for i in range(features):
            others += get(x_here, i) != value
        mask[p] = real(1) if others > 0 else real(0)
        if others > 0:
            for i in range(features):
                put(y_here, i, get(x_here, i))
        else:
            for i in range(features):
                put(y_here, i, real(0))


@kernel
def masking_backward(
    dy: In, mask: In, dx: Out, time: Size, features: Size, rows: Live, thread: Thread, threads: Threads
) -> None:
    """dx = dy where the mask is 1, else 0.

    Shapes: dy, dx (rows, time, features), mask (rows, time). dx may be dy. Partition: samples.
    """
    for p in range(first_of(rows, thread, threads) * time, last_of(rows, thread, threads) * time):
        dy_here, dx_here = shift(dy, p * features), shift(dx, p * features)
        if mask[p] != real(0):
            for i in range(features):
                put(dx_here, i, get(dy_here, i))
        else:
            for i in range(features):
                put(dx_here, i, real(0))
