"""Vectors that tell a sequence's positions apart."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from dlrun.errors import ShapeError
from dlrun.initializers import INITIALIZERS, Initializer, RandomUniform
from dlrun.kernels.chunks import clear
from dlrun.kernels.elementwise import copy
from dlrun.kernels.entries import get, put
from dlrun.kernels.lang import (
    In,
    Live,
    Out,
    Scratch,
    Size,
    Thread,
    Threads,
    Update,
    apply_update,
    first_of,
    kernel,
    last_of,
    shift,
)
from dlrun.layers.base import Layer, MaskRule, Shape, expect_rank
from dlrun.layers.variable import Variable
from dlrun.plan import POSITION, Buffer, ScratchSize
from dlrun.registry import ChosenBy

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter

BLOCK = 512
"""Entries of the table whose gradient is made at a time, so that the optimizer finds them in L1."""


class PositionalEmbedding(Layer):
    """Adds to each position of a sequence (time, features) a vector of its own.

    learned     a row of a table that is trained
    sinusoidal  sin(p / w) in the even features, cos(p / w) in the odd ones, of position p, with wavelengths
                w = maximum_wavelength^(2 (i // 2) / features): A. Vaswani et al. (2017), section 3.5
    """

    type: Literal["positional_embedding"] = "positional_embedding"
    mode: Literal["learned", "sinusoidal"] = "learned"
    """Where the vectors come from."""
    sequence_length: int | None = Field(default=None, gt=0)
    """The most positions there can be; the input's when left out."""
    embeddings_initializer: Annotated[Initializer, ChosenBy(INITIALIZERS)] = RandomUniform()
    """How learned vectors start."""
    maximum_wavelength: float = Field(default=10000.0, gt=1, allow_inf_nan=False)
    """The longest wavelength of sinusoidal vectors, over 2 pi."""

    aliases: ClassVar = {"initializer": "embeddings_initializer", "max_wavelength": "maximum_wavelength"}
    is_in_place: ClassVar[bool] = True
    reads_output: ClassVar[bool] = False
    mask_rule: ClassVar[MaskRule] = "pass"
    is_bounded: ClassVar[bool] = True

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the input's shape. Raises ShapeError where it is longer than the table."""
        expect_rank(self, inputs[0], 2, "(time, features)")
        if self.sequence_length is not None and inputs[0][0] > self.sequence_length:
            message = f"the input has {inputs[0][0]} positions, sequence_length is {self.sequence_length}"
            raise ShapeError(message, "sequence_length", f"at least {inputs[0][0]}, or leave it out")
        return inputs[0]

    def variables(self, *inputs: Shape) -> tuple[Variable, ...]:
        """Return embeddings (sequence_length, features) where they are learned."""
        if self.mode != "learned":
            return ()
        time, features = inputs[0]
        length = self.sequence_length or time
        return (Variable("embeddings", (length, features), self.embeddings_initializer, length, features),)

    def next_position(self, *inputs: Shape) -> Layer | None:
        """Return what adds the next position's vector."""
        return NextPosition(positions=self, time=inputs[0][0])

    def table(self, emit: Emitter, time: int) -> Buffer:
        """Return the vectors of the positions, (time, features) or more."""
        if self.mode == "learned":
            return emit.variable("embeddings")
        return emit.constant("table", self.waves(time, emit.output_shape[-1]))

    def forward(self, emit: Emitter) -> None:
        """Emit the sum."""
        table = self.table(emit, emit.output_shape[0])
        size = prod(emit.output_shape)
        emit.call(
            add_to_rows, x=emit.input, table=table, y=emit.output, rows=emit.rows, size=size, flops=size * emit.batch
        )

    def backward(self, emit: Emitter) -> None:
        """Emit the table's gradient; the input's is the output's, and needs no call where it shares its buffer."""
        dx, size = emit.input_gradient(), prod(emit.output_shape)
        if dx is not None and dx is not emit.output_gradient:
            emit.call(copy, x=emit.output_gradient, y=dx, rows=emit.rows, size=size)
        update = emit.update("embeddings") if self.mode == "learned" else None
        if update is not None:
            length = self.sequence_length or emit.output_shape[0]
            emit.call(
                sum_of_rows, partition="split", dy=emit.output_gradient, gradient=update, scratch=ScratchSize(BLOCK),
                rows=emit.rows, size=size, entries=length * emit.output_shape[1], flops=size * emit.batch,
            )  # fmt: skip

    def waves(self, time: int, features: int) -> tuple[float, ...]:
        """Return the sinusoidal table, (time, features), flat."""
        index = np.arange(features)
        angles = np.arange(time)[:, None] * self.maximum_wavelength ** (-2 * (index // 2) / features)
        return tuple(np.where(index % 2 == 0, np.sin(angles), np.cos(angles)).ravel().tolist())


class NextPosition(Layer):
    """Adds the next position's vector, in inference: x and y are (1, features)."""

    type: Literal["next_position"] = "next_position"
    positions: PositionalEmbedding
    time: int

    mask_rule: ClassVar[MaskRule] = "pass"

    def flops(self, *inputs: Shape) -> int:
        """Return an addition for each entry."""
        return prod(inputs[0])

    def forward(self, emit: Emitter) -> None:
        """Emit the sum."""
        emit.call(
            add_position, x=emit.input, table=self.positions.table(emit, self.time), y=emit.output, rows=emit.rows,
            width=emit.output_shape[-1], position=POSITION,
        )  # fmt: skip


@kernel
def add_position(
    x: In, table: In, y: Out, rows: Live, width: Size, position: Live, thread: Thread, threads: Threads
) -> None:
    """y[n] = x[n] + table[position]. Shapes: x, y (rows, width), table (positions, width). Partition: samples."""
    vector = shift(table, position * width)
    for n in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        x_here, y_here = shift(x, n * width), shift(y, n * width)
        for i in range(width):
            put(y_here, i, get(x_here, i) + get(vector, i))


@kernel
def add_to_rows(x: In, table: In, y: Out, rows: Live, size: Size, thread: Thread, threads: Threads) -> None:
    """y[n] = x[n] + table. Shapes: x, y (rows, size), table (size). y may be x. Partition: samples."""
    for n in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        x_here, y_here = shift(x, n * size), shift(y, n * size)
        for i in range(size):
            put(y_here, i, get(x_here, i) + get(table, i))


@kernel
def sum_of_rows(
    dy: In, gradient: Update, scratch: Scratch, rows: Live, size: Size, entries: Size, thread: Thread,
    threads: Threads,
) -> None:  # fmt: skip
    """gradient[i] = sum_n dy[n, i], in the order of the rows; 0 for the entries from `size` on.

    Shapes: dy (rows, size), gradient (entries). Partition: blocks of entries.
    """
    blocks = (entries + BLOCK - 1) // BLOCK
    for block in range(first_of(blocks, thread, threads), last_of(blocks, thread, threads)):
        start = block * BLOCK
        count = min(BLOCK, entries - start)
        clear(scratch, count)
        for n in range(rows):
            row = shift(dy, n * size + start)
            for i in range(min(count, size - start)):
                scratch[i] += row[i]
        apply_update(gradient, scratch, start, count)
