"""The two directions of a recurrent layer, made one."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dlrun.kernels.lang import In, Live, Number, Out, Size, Thread, Threads, first_of, kernel, last_of, shift
from dlrun.layers.base import Layer, MaskRule, Shape

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter

MergeMode = Literal["concat", "sum", "mul", "ave"]


class MergeHalves(Layer):
    """Makes one vector of the two halves of each vector along the last axis: their sum, product or mean."""

    type: Literal["merge_halves"] = "merge_halves"
    mode: MergeMode
    """How."""

    reads_output: ClassVar[bool] = False
    mask_rule: ClassVar[MaskRule] = "pass"

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the input's shape with half the features."""
        return (*inputs[0][:-1], inputs[0][-1] // 2)

    def _sizes(self, emit: Emitter) -> dict[str, Any]:
        *places, units = emit.output_shape
        sizes = {"rows": emit.rows, "places": prod(places), "units": units}
        return sizes if self.mode == "mul" else {"factor": 0.5 if self.mode == "ave" else 1.0, **sizes}

    def forward(self, emit: Emitter) -> None:
        """Emit one call."""
        kernel = multiply_halves if self.mode == "mul" else add_halves
        flops = self.flops(*emit.input_shapes) * emit.batch
        emit.call(kernel, x=emit.input, y=emit.output, flops=flops, **self._sizes(emit))

    def backward(self, emit: Emitter) -> None:
        """Emit one call, if the gradient is wanted."""
        dx = emit.input_gradient()
        if dx is None:
            return
        if self.mode == "mul":
            emit.call(multiply_halves_backward, x=emit.input, dy=emit.output_gradient, dx=dx, **self._sizes(emit))
        else:
            emit.call(add_halves_backward, dy=emit.output_gradient, dx=dx, **self._sizes(emit))


@kernel
def add_halves(
    x: In, y: Out, factor: Number, rows: Live, places: Size, units: Size, thread: Thread, threads: Threads
) -> None:
    """y[p, j] = factor (x[p, j] + x[p, units + j]). Shapes: x (rows, places, 2 units), y (rows, places, units).

    Partition: samples.
    """
    for p in range(first_of(rows, thread, threads) * places, last_of(rows, thread, threads) * places):
        first, second, out = shift(x, 2 * p * units), shift(x, (2 * p + 1) * units), shift(y, p * units)
        for j in range(units):
            out[j] = factor * (first[j] + second[j])


@kernel
def add_halves_backward(
    dy: In, dx: Out, factor: Number, rows: Live, places: Size, units: Size, thread: Thread, threads: Threads
) -> None:
    """dx[p, j] = dx[p, units + j] = factor dy[p, j]. Partition: samples."""
    for p in range(first_of(rows, thread, threads) * places, last_of(rows, thread, threads) * places):
        first, second, gradient = shift(dx, 2 * p * units), shift(dx, (2 * p + 1) * units), shift(dy, p * units)
        for j in range(units):
            first[j] = factor * gradient[j]
            second[j] = factor * gradient[j]


@kernel
def multiply_halves(x: In, y: Out, rows: Live, places: Size, units: Size, thread: Thread, threads: Threads) -> None:
    """y[p, j] = x[p, j] x[p, units + j]. Shapes as in `add_halves`. Partition: samples."""
    for p in range(first_of(rows, thread, threads) * places, last_of(rows, thread, threads) * places):
        first, second, out = shift(x, 2 * p * units), shift(x, (2 * p + 1) * units), shift(y, p * units)
        for j in range(units):
            out[j] = first[j] * second[j]


@kernel
def multiply_halves_backward(
    x: In, dy: In, dx: Out, rows: Live, places: Size, units: Size, thread: Thread, threads: Threads
) -> None:
    """dx[p, j] = dy[p, j] x[p, units + j], and the other way around. Partition: samples."""
    for p in range(first_of(rows, thread, threads) * places, last_of(rows, thread, threads) * places):
        first, second, gradient = shift(x, 2 * p * units), shift(x, (2 * p + 1) * units), shift(dy, p * units)
        of_first, of_second = shift(dx, 2 * p * units), shift(dx, (2 * p + 1) * units)
        for j in range(units):
            of_first[j] = gradient[j] * second[j]
            of_second[j] = gradient[j] * first[j]
