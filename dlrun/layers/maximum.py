"""The larger, or the smaller, of two inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from dlrun.kernels.entries import get, put
from dlrun.kernels.lang import In, Live, Number, Out, Size, Thread, Threads, first_of, kernel, last_of, real, select
from dlrun.layers.merge import Merge

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter


class Extreme(Merge):
    """Takes one of two entries; where they are equal, the first, which then gets the gradient too."""

    number_of_inputs: ClassVar[tuple[int, int | None]] = (2, 2)
    sign: ClassVar[float]

    def forward(self, emit: Emitter) -> None:
        """Emit one call."""
        a, b = emit.inputs
        flops = self.flops(emit.output_shape, emit.output_shape) * emit.batch
        emit.call(extreme_forward, a=a, b=b, y=emit.output, sign=self.sign, flops=flops, **self.sizes(emit))

    def backward(self, emit: Emitter) -> None:
        """Emit for each input dy where it was taken, else 0."""
        a, b = emit.inputs
        for index in (0, 1):
            dx = emit.input_gradient(index)
            if dx is not None:
                emit.call(
                    extreme_backward, a=a, b=b, dy=emit.output_gradient, dx=dx, sign=self.sign, wants_b=index,
                    **self.sizes(emit),
                )  # fmt: skip


class Maximum(Extreme):
    """Takes the larger entry of two inputs of one shape."""

    type: Literal["maximum"] = "maximum"
    sign: ClassVar[float] = 1.0


class Minimum(Extreme):
    """Takes the smaller entry of two inputs of one shape."""

    type: Literal["minimum"] = "minimum"
    sign: ClassVar[float] = -1.0


@kernel
def extreme_forward(
    a: In, b: In, y: Out, sign: Number, rows: Live, size: Size, thread: Thread, threads: Threads
) -> None:
    """y = b where sign * b > sign * a, or b is NaN, else a. Shapes: a, b, y (rows, size). Partition: samples."""
    for i in range(first_of(rows, thread, threads) * size, last_of(rows, thread, threads) * size):
        v, w = get(a, i), get(b, i)
        put(y, i, select((w * sign > v * sign) | (w != w), w, v))


@kernel
def extreme_backward(
    a: In, b: In, dy: In, dx: Out, sign: Number, wants_b: Size, rows: Live, size: Size, thread: Thread, threads: Threads
) -> None:
    """dx = dy where the forward pass took this input (b if wants_b is 1, else a), else 0. Partition: samples."""
    zero = real(0)
    for i in range(first_of(rows, thread, threads) * size, last_of(rows, thread, threads) * size):
        takes_b = get(b, i) * sign > get(a, i) * sign
        put(dx, i, select(takes_b == (wants_b != 0), get(dy, i), zero))
