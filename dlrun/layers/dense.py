"""The fully connected layer."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from dlrun.kernels.lang import (
    In,
    Live,
    Number,
    Out,
    Scratch,
    Size,
    Thread,
    Threads,
    Update,
    apply_update,
    first_of,
    helper,
    kernel,
    last_of,
    real,
    shift,
    tile,
    tile_columns,
    tile_rows,
)
from dlrun.kernels.target import MOST_COLUMNS
from dlrun.layers.base import MaskRule, Shape, expect_rank
from dlrun.layers.variable import Variable
from dlrun.layers.weighted import Weighted
from dlrun.plan import Argument, Buffer, ScratchSize

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter

NO_LIMIT = float("-inf")
SAMPLE_SPLIT_BYTES = 256 * 1024
"""Up to this size each thread reads all weights for its own samples; beyond, each takes its own outputs."""
ROWS_OF_WEIGHTS = 12
"""Rows of the weight gradient made at a time, so that they are still in L1 when the optimizer takes them."""


class Dense(Weighted):
    """A fully connected layer: y = x · kernel + bias, along the last axis."""

    type: Literal["dense"] = "dense"
    units: int = Field(gt=0)
    """The number of output features."""

    mask_rule: ClassVar[MaskRule] = "pass"

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return (units,)."""
        expect_rank(self, inputs[0], 1, "(features,)")
        return (self.units,)

    def variables(self, *inputs: Shape) -> tuple[Variable, ...]:
        """Return kernel (inputs, units) and bias (units,)."""
        features = inputs[0][-1]
        return self.kernel_and_bias((features, self.units), features, self.units, self.units)

    def flops(self, *inputs: Shape) -> int:
        """Return a multiplication and an addition for each weight."""
        return 2 * prod(inputs[0]) * self.units

    def forward(self, emit: Emitter) -> None:
        """Emit the product, with bias and a fused ReLU."""
        features, flops = emit.input_shapes[0][-1], self.flops(*emit.input_shapes) * emit.batch
        by_samples = 4 * features * self.units <= SAMPLE_SPLIT_BYTES
        bias = emit.variable("bias") if self.use_bias else emit.zeros(self.units)
        emit.call(
            dense_forward, partition="samples" if by_samples else "split", flops=flops,
            x=emit.input, w=emit.variable("kernel"), b=bias, y=emit.output, floor=emit.floor,
            by_samples=int(by_samples), rows=emit.rows, features=features, units=self.units,
        )  # fmt: skip

    def backward(self, emit: Emitter) -> None:
        """Emit the gradient of the input, then those of the variables with their updates."""
        features, flops = emit.input_shapes[0][-1], self.flops(*emit.input_shapes) * emit.batch
        dx = emit.input_gradient()
        if dx is not None:
            self._backward_input(emit, dx, flops)
        update = emit.update("kernel")
        if update is not None:
            emit.call(
                dense_backward_weights, partition="split", flops=flops,
                x=emit.input, dy=emit.output_gradient, dw=update, zeros=emit.zeros(MOST_COLUMNS),
                scratch=ScratchSize(ROWS_OF_WEIGHTS * self.units),
                rows=emit.rows, features=features, units=self.units,
            )  # fmt: skip
        update = emit.update("bias") if self.use_bias else None
        if update is not None:
            emit.call(
                dense_backward_bias, partition="split", dy=emit.output_gradient, db=update,
                scratch=ScratchSize(64), rows=emit.rows, units=self.units,
            )  # fmt: skip

    def _backward_input(self, emit: Emitter, dx: Buffer, flops: int) -> None:
        """Emit the input's gradient: by samples, by features for few rows, or by panels of the weights."""
        features = emit.input_shapes[0][-1]
        by_samples = 4 * features * self.units <= SAMPLE_SPLIT_BYTES
        buffers: dict[str, Argument] = {
            "dy": emit.output_gradient, "w": emit.variable("kernel"), "dx": dx, "zeros": emit.zeros(MOST_COLUMNS),
            "rows": emit.rows, "features": features, "units": self.units,
        }  # fmt: skip
        if not by_samples and emit.batch <= FEW_ROWS:
            scratch = ScratchSize((emit.batch + MOST_COLUMNS) * self.units + FEATURES * MOST_COLUMNS)
            emit.call(dense_backward_input_of_few, partition="split", flops=flops, scratch=scratch, **buffers)
        else:
            emit.call(
                dense_backward_input, partition="samples" if by_samples else "split", flops=flops,
                scratch=ScratchSize(self.units * MOST_COLUMNS), by_samples=int(by_samples), **buffers,
            )  # fmt: skip


FEATURES = 48
"""Features of the input gradient made at a time for few rows: their weights stay in L1 over the panels of rows."""
FEW_ROWS = 128
"""Up to so many rows, transposing the output's gradient costs less than transposing the weights."""
DEPTH = 256
"""Products are summed in blocks of this many inputs, so that a block of both factors stays in L1; part of the bits."""


@helper
def multiply(x, w, b, y, floor, first_row, last_row, first_column, last_column, features, units):  # type: ignore[no-untyped-def]
    """y[r, n] = max(b[n] + sum_i x[r, i] w[i, n], floor) for a range of rows and columns."""
    for k in range(0, features, DEPTH):
        depth = min(DEPTH, features - k)
        last = k + depth == features
        limit = floor if last else real(NO_LIMIT)
        for n in range(first_column, last_column, tile_columns):
            columns = min(tile_columns, last_column - n)
            for r in range(first_row, last_row, tile_rows):
                c = shift(y, r * units + n)
                start = shift(b, n) if k == 0 else c
                tile(
                    shift(x, r * features + k), features, 1, 0, shift(w, k * units + n), units, 0,
                    start, 0 if k == 0 else units, c, units, depth, 1, min(tile_rows, last_row - r), columns, limit,
                )  # fmt: skip


@kernel
def dense_forward(
    x: In, w: In, b: In, y: Out, floor: Number, by_samples: Size, rows: Live, features: Size, units: Size,
    thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """y[r, n] = max(b[n] + sum_i x[r, i] w[i, n], floor).

    Shapes: x (rows, features), w (features, units), b (units), y (rows, units). Partition: samples, or panels of units.
    """
    if by_samples != 0:
        first, last = first_of(rows, thread, threads), last_of(rows, thread, threads)
        multiply(x, w, b, y, floor, first, last, 0, units, features, units)
    else:
        panels = (units + tile_columns - 1) // tile_columns
        first, last = first_of(panels, thread, threads) * tile_columns, last_of(panels, thread, threads) * tile_columns
        multiply(x, w, b, y, floor, 0, rows, first, min(last, units), features, units)


@kernel
def dense_backward_input(
    dy: In, w: In, dx: Out, zeros: In, scratch: Scratch, by_samples: Size, rows: Live, features: Size, units: Size,
    thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """dx[r, i] = sum_n dy[r, n] w[i, n].

    Shapes: dy (rows, units), w (features, units), dx (rows, features). Partition: samples, or panels of features.
    A panel of w is transposed into `scratch` (units, tile_columns) first.
    """
    panels = (features + tile_columns - 1) // tile_columns
    first_panel, last_panel, first_row, last_row = 0, panels, 0, rows
    if by_samples != 0:
        first_row, last_row = first_of(rows, thread, threads), last_of(rows, thread, threads)
    else:
        first_panel, last_panel = first_of(panels, thread, threads), last_of(panels, thread, threads)
    if first_row == last_row:
        return
    for panel in range(first_panel, last_panel):
        i = panel * tile_columns
        columns = min(tile_columns, features - i)
        here = shift(w, i * units)
        for n in range(units):
            for j in range(columns):
                scratch[n * tile_columns + j] = here[j * units + n]
        for r in range(first_row, last_row, tile_rows):
            tile(
                shift(dy, r * units), units, 1, 0, scratch, tile_columns, 0, zeros, 0,
                shift(dx, r * features + i), features, units, 1, min(tile_rows, last_row - r), columns, real(NO_LIMIT),
            )  # fmt: skip


@kernel
def dense_backward_input_of_few(
    dy: In, w: In, dx: Out, zeros: In, scratch: Scratch, rows: Live, features: Size, units: Size, thread: Thread,
    threads: Threads,
) -> None:  # fmt: skip
    """dx[r, i] = sum_n dy[r, n] w[i, n], for few rows: with dy transposed instead of the many weights; the same bits.

    Shapes: dy (rows, units), w (features, units), dx (rows, features). Partition: blocks of features.
    `scratch` holds dy by panels of rows, (panels, units, tile_columns), and a block of dx, (FEATURES, tile_columns).
    """
    panels = (rows + tile_columns - 1) // tile_columns
    for r in range(rows):
        panel = shift(scratch, (r // tile_columns) * units * tile_columns + r % tile_columns)
        for n in range(units):
            panel[n * tile_columns] = dy[r * units + n]
    block = shift(scratch, panels * units * tile_columns)
    blocks = (features + FEATURES - 1) // FEATURES
    for b in range(first_of(blocks, thread, threads), last_of(blocks, thread, threads)):
        first = b * FEATURES
        count = min(FEATURES, features - first)
        for p in range(panels):
            columns = min(tile_columns, rows - p * tile_columns)
            for i in range(0, count, tile_rows):
                tile(
                    shift(w, (first + i) * units), units, 1, 0,
                    shift(scratch, p * units * tile_columns), tile_columns, 0, zeros, 0,
                    shift(block, i * tile_columns), tile_columns, units, 1,
                    min(tile_rows, count - i), columns, real(NO_LIMIT),
                )  # fmt: skip
            for c in range(columns):
                out = shift(dx, (p * tile_columns + c) * features + first)
                for i in range(count):
                    out[i] = block[i * tile_columns + c]


@kernel
def dense_backward_weights(
    x: In, dy: In, dw: Update, zeros: In, scratch: Scratch, rows: Live, features: Size, units: Size, thread: Thread,
    threads: Threads,
) -> None:  # fmt: skip
    """dw[i, n] = sum_r x[r, i] dy[r, n], a few rows of the weights at a time, each handed on while in cache.

    Shapes: x (rows, features), dy (rows, units), dw (features, units). Partition: rows of the weights.
    """
    blocks = (features + ROWS_OF_WEIGHTS - 1) // ROWS_OF_WEIGHTS
    for block in range(first_of(blocks, thread, threads), last_of(blocks, thread, threads)):
        first = block * ROWS_OF_WEIGHTS
        count = min(ROWS_OF_WEIGHTS, features - first)
        for n in range(0, units, tile_columns):
            for i in range(0, count, tile_rows):
                tile(
                    shift(x, first + i), 1, features, 0, shift(dy, n), units, 0, zeros, 0,
                    shift(scratch, i * units + n), units, rows, 1, min(tile_rows, count - i),
                    min(tile_columns, units - n), real(NO_LIMIT),
                )  # fmt: skip
        apply_update(dw, scratch, first * units, count * units)


@kernel
def dense_backward_bias(
    dy: In, db: Update, scratch: Scratch, rows: Live, units: Size, thread: Thread, threads: Threads
) -> None:
    """db[n] = sum_r dy[r, n], in the order of the rows. Shapes: dy (rows, units), db (units). Partition: units."""
    blocks = (units + 63) // 64
    for block in range(first_of(blocks, thread, threads), last_of(blocks, thread, threads)):
        first = block * 64
        count = min(64, units - first)
        for n in range(count):
            scratch[n] = real(0)
        for r in range(rows):
            row = shift(dy, r * units + first)
            for n in range(count):
                scratch[n] += row[n]
        apply_update(db, scratch, first, count)
