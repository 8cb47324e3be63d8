"""Dropout of single entries."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from dlrun.kernels.entries import get, put
from dlrun.kernels.lang import (
    In,
    InBytes,
    Live,
    Number,
    Out,
    OutBytes,
    Scratch,
    Size,
    Thread,
    Threads,
    first_of,
    kernel,
    last_of,
    real,
    select,
    shift,
)
from dlrun.kernels.noise import DRAWS, draw_entries
from dlrun.layers.noise import Noise
from dlrun.plan import ScratchSize

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter


class Dropout(Noise):
    """Sets a share of the entries to zero in training, others to x / (1 - rate); does nothing in inference.

    N. Srivastava et al., Dropout: a simple way to prevent neural networks from overfitting (JMLR 2014), inverted.
    """

    type: Literal["dropout"] = "dropout"
    rate: float = Field(ge=0, lt=1)
    """The share of entries that are dropped."""

    is_in_place: ClassVar[bool] = True
    reads_output: ClassVar[bool] = False

    @property
    def strength(self) -> float:
        """The rate."""
        return self.rate

    def forward(self, emit: Emitter) -> None:
        """Emit the draw and its application; which entries are kept is saved as bytes.

        Drawing them anew in the backward pass would take 1.0 ns an entry, reading the bytes takes 0.25 ns.
        """
        size = prod(emit.output_shape)
        emit.call(
            dropout_forward, x=emit.input, y=emit.output, kept=emit.saved("kept", size, "uint8"), key=self.key(emit),
            rate=self.rate, scale=1 / (1 - self.rate), scratch=ScratchSize(DRAWS),
            step=emit.step, rows=emit.rows, size=size,
        )  # fmt: skip

    def backward(self, emit: Emitter) -> None:
        """Emit dx = dy / (1 - rate) where x was kept, else 0."""
        dx, size = emit.input_gradient(), prod(emit.output_shape)
        if dx is not None:
            emit.call(
                dropout_backward, kept=emit.saved("kept", size, "uint8"), dy=emit.output_gradient, dx=dx,
                scale=1 / (1 - self.rate), rows=emit.rows, size=size,
            )  # fmt: skip


@kernel
def dropout_forward(
    x: In, y: Out, kept: OutBytes, key: Size, rate: Number, scale: Number, scratch: Scratch, step: Live, rows: Live,
    size: Size, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """kept = u >= rate, y = x * scale where kept, else 0, with u uniform by (key, step, row, entry).

    Shapes: x, y, kept (rows, size). y may be x. Saves for backward: kept. Partition: samples.
    """
    zero = real(0)
    for n in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        for first in range(0, size, DRAWS):
            count = min(DRAWS, size - first)
            draw_entries(scratch, key, step, n, first, count)
            start = n * size + first
            x_here, y_here, kept_here = shift(x, start), shift(y, start), shift(kept, start)
            for i in range(count):
                keep, v = get(scratch, i) >= rate, get(x_here, i) * scale
                put(kept_here, i, keep)
                put(y_here, i, select(keep, v, zero))


@kernel
def dropout_backward(
    kept: InBytes, dy: In, dx: Out, scale: Number, rows: Live, size: Size, thread: Thread, threads: Threads
) -> None:
    """dx = dy * scale where kept, else 0. Shapes: kept, dy, dx (rows, size). dx may be dy. Partition: samples."""
    zero = real(0)
    for i in range(first_of(rows, thread, threads) * size, last_of(rows, thread, threads) * size):
        put(dx, i, select(get(kept, i) != 0, get(dy, i) * scale, zero))
