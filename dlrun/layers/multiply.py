"""The product of several inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from dlrun.kernels.entries import get, put
from dlrun.kernels.lang import In, Live, Out, Size, Thread, Threads, first_of, kernel, last_of
from dlrun.layers.merge import Merge

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter


class Multiply(Merge):
    """Multiplies two or more inputs of one shape, entry by entry."""

    type: Literal["multiply"] = "multiply"

    def forward(self, emit: Emitter) -> None:
        """Emit the product of the first two inputs, then that with each other one."""
        so_far = emit.inputs[0]
        for x in emit.inputs[1:]:
            flops = self.flops(emit.output_shape, emit.output_shape) * emit.batch
            emit.call(multiply_entries, a=so_far, b=x, y=emit.output, flops=flops, **self.sizes(emit))
            so_far = emit.output

    def backward(self, emit: Emitter) -> None:
        """Emit dy times all other inputs, for each input that needs it (no quotient: an input may be 0)."""
        for index in range(len(emit.inputs)):
            dx = emit.input_gradient(index)
            if dx is None:
                continue
            so_far = emit.output_gradient
            for other, x in enumerate(emit.inputs):
                if other != index:
                    emit.call(multiply_entries, a=so_far, b=x, y=dx, **self.sizes(emit))
                    so_far = dx


@kernel
def multiply_entries(a: In, b: In, y: Out, rows: Live, size: Size, thread: Thread, threads: Threads) -> None:
    """y = a * b. Shapes: a, b, y (rows, size). y may be a. Partition: samples."""
    for i in range(first_of(rows, thread, threads) * size, last_of(rows, thread, threads) * size):
        put(y, i, get(a, i) * get(b, i))
