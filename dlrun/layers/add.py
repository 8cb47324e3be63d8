"""Sums of several inputs: add, subtract, average."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from dlrun.kernels.entries import get, put
from dlrun.kernels.lang import In, Live, Number, Out, Size, Thread, Threads, first_of, kernel, last_of
from dlrun.layers.merge import Merge

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter


class Sum(Merge):
    """Adds its inputs, each with a factor."""

    def factors(self, count: int) -> tuple[float, ...]:
        """Return each input's factor."""
        raise TypeError(f"{type(self).__name__} has no factors")

    def forward(self, emit: Emitter) -> None:
        """Emit the sum of the first two inputs, then that with each other one."""
        factors, so_far = self.factors(len(emit.inputs)), emit.inputs[0]
        of_sum = factors[0]
        for x, factor in zip(emit.inputs[1:], factors[1:], strict=True):
            emit.call(
                add_scaled, a=so_far, b=x, y=emit.output, of_a=of_sum, of_b=factor,
                flops=self.flops(emit.output_shape) * emit.batch, **self.sizes(emit),
            )  # fmt: skip
            so_far, of_sum = emit.output, 1.0

    def backward(self, emit: Emitter) -> None:
        """Emit a scaled copy of the gradient for each input that needs it."""
        for index, factor in enumerate(self.factors(len(emit.inputs))):
            dx = emit.input_gradient(index)
            if dx is not None:
                emit.call(scale, x=emit.output_gradient, y=dx, factor=factor, **self.sizes(emit))


class Add(Sum):
    """Adds two or more inputs of one shape: a skip connection (K. He et al., 2016)."""

    type: Literal["add"] = "add"

    def factors(self, count: int) -> tuple[float, ...]:
        """Return ones."""
        return (1.0,) * count


class Subtract(Sum):
    """Subtracts the second input from the first."""

    type: Literal["subtract"] = "subtract"
    number_of_inputs: ClassVar[tuple[int, int | None]] = (2, 2)

    def factors(self, count: int) -> tuple[float, ...]:
        """Return 1 and -1."""
        return (1.0, -1.0)


class Average(Sum):
    """Averages two or more inputs of one shape."""

    type: Literal["average"] = "average"

    def factors(self, count: int) -> tuple[float, ...]:
        """Return equal shares."""
        return (1 / count,) * count


@kernel
def add_scaled(
    a: In, b: In, y: Out, of_a: Number, of_b: Number, rows: Live, size: Size, thread: Thread, threads: Threads
) -> None:
    """y = of_a * a + of_b * b. Shapes: a, b, y (rows, size). y may be a. Partition: samples."""
    for i in range(first_of(rows, thread, threads) * size, last_of(rows, thread, threads) * size):
        put(y, i, get(a, i) * of_a + get(b, i) * of_b)


@kernel
def scale(x: In, y: Out, factor: Number, rows: Live, size: Size, thread: Thread, threads: Threads) -> None:
    """y = factor * x. Shapes: x, y (rows, size). Partition: samples."""
    for i in range(first_of(rows, thread, threads) * size, last_of(rows, thread, threads) * size):
        put(y, i, get(x, i) * factor)
