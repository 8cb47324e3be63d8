"""The fully connected layer."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from dlrun.costs import Choice, Way, cheapest
from dlrun.errors import ShapeError
from dlrun.kernels.dense_halves import add_halves, dense_forward_halves
from dlrun.kernels.dense_of_many import (
    FORWARD_SCRATCH,
    WEIGHTS_SCRATCH,
    dense_backward_weights_of_many,
    dense_forward_of_many,
)
from dlrun.kernels.dense_sparse import (
    LISTS_SCRATCH,
    PACKED_SCRATCH,
    dense_backward_weights_sparse,
    dense_descend_sparse,
    dense_forward_sparse,
)
from dlrun.kernels.halves import first_in_lines, last_in_lines, middle_of
from dlrun.kernels.lang import (
    In,
    InDouble,
    InOut,
    Live,
    Number,
    Out,
    Scratch,
    Size,
    Thread,
    Threads,
    Update,
    first_of,
    kernel,
    last_of,
    real,
    shift,
)
from dlrun.kernels.products import (
    FEATURES,
    column_sums,
    first_column_of,
    last_column_of,
    product,
    transposed_product,
    transposed_product_of_few,
    weight_descent,
    weight_gradient,
)
from dlrun.kernels.recurrent import pack_panels
from dlrun.kernels.target import MOST_COLUMNS, whole_panels
from dlrun.layers.base import MaskRule, Shape, shape_text
from dlrun.layers.variable import Variable
from dlrun.layers.weighted import Weighted
from dlrun.plan import Argument, Buffer, Partition, ScratchSize
from dlrun.plan import Update as PlanUpdate

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter

FEW_ROWS = 128
"""Up to so many rows, transposing the output's gradient may cost less than transposing the weights."""
PACKED_ROWS = 128
"""From so many rows of a thread on, packing the weights costs less than it saves the product."""
PACKED_ONCE = 1 << 18
"""Up to so many weights, an evaluation packs them once for all of its steps."""
MANY_ROWS = 512
"""From so many rows on, packing the output's gradient costs less than it saves the weights' gradient."""
SPARSE = 64, MOST_COLUMNS
"""From so many features and units on, products of the data's own rows look for zeros: less than they may save."""
HALVED_WEIGHTS, HALVED_ROWS = 1 << 14, 64
"""From so many weights on, and up to so many rows, it pays that weights needn't come over from another core."""
WEIGHTS = 12
"""Rows of the weights' gradient made at a time for fewer rows, so that the optimizer finds them in L1."""


class Dense(Weighted):
    """A fully connected layer: y = x · kernel + bias, along the last axis."""

    type: Literal["dense"] = "dense"
    units: int = Field(gt=0)
    """The number of output features."""

    mask_rule: ClassVar[MaskRule] = "pass"
    is_by_position: ClassVar[bool] = True

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the input's shape with `units` as the last axis."""
        if not inputs[0]:
            raise ShapeError(f"{self.type} needs an input of shape (..., features), got {shape_text(inputs[0])}")
        return (*inputs[0][:-1], self.units)

    def variables(self, *inputs: Shape) -> tuple[Variable, ...]:
        """Return kernel (inputs, units) and bias (units,)."""
        features = inputs[0][-1]
        return self.kernel_and_bias((features, self.units), features, self.units, self.units)

    def flops(self, *inputs: Shape) -> int:
        """Return a multiplication and an addition for each weight and position."""
        return 2 * prod(inputs[0]) * self.units

    def _products(self, emit: Emitter) -> Products:
        *positions, features = emit.input_shapes[0]
        return Products(emit, prod(positions), features, self.units)

    def forward(self, emit: Emitter) -> None:
        """Emit the product, with bias and a fused ReLU."""
        bias = emit.variable("bias") if self.use_bias else emit.zeros(self.units)
        self._products(emit).forward(emit.input, emit.variable("kernel"), bias, emit.output, emit.floor)

    def backward(self, emit: Emitter) -> None:
        """Emit the gradient of the input, then those of the variables with their updates."""
        products, dx, dy = self._products(emit), emit.input_gradient(), emit.output_gradient
        if dx is not None:
            products.input_gradient(dy, emit.variable("kernel"), dx)
        products.weight_gradient(emit.input, dy, emit.update("kernel"))
        if self.use_bias:
            emit_bias_gradient(emit, dy, emit.update("bias"), products.positions, self.units)


@dataclass(frozen=True)
class Products:
    """The calls of y = x · w and of its gradients, where x has `features`, w is (features, units), y has `units`.

    A sample has `positions` rows of x and y. A layer may take its own input for another factor than x.
    """

    emit: Emitter
    positions: int
    features: int
    units: int

    @property
    def _sizes(self) -> dict[str, Argument]:
        """The sizes that every kernel takes."""
        return {
            "rows": self.emit.rows, "positions": self.positions, "features": self.features, "units": self.units
        }  # fmt: skip

    @property
    def _rows(self) -> int:
        """Rows of x and y in a batch."""
        return self.emit.batch * self.positions

    @property
    def _flops(self) -> int:
        return 2 * self._rows * self.features * self.units

    def choice(self, inner: int, outer: int, waits: int = 2) -> Choice:
        """Choose how threads share a product of the batch's rows (.., inner) with the weights: (.., outer)."""
        weights, read, written = 4 * inner * outer, 4 * self._rows * inner, 4 * self._rows * outer
        ways: dict[Partition, Way] = {
            "samples": Way(weights, read + written),
            "split": Way(read, weights + written, waits),
        }
        return cheapest(ways, self.emit.threads)

    def _may_be_sparse(self, x: Buffer) -> bool:
        """Return whether it pays to look for zeros in x: in data, not in layers' outputs."""
        return self.features >= SPARSE[0] and self.units >= SPARSE[1] and self.emit.is_data(x)

    def forward(self, x: Buffer, w: Buffer, b: Buffer, y: Buffer, floor: float) -> None:
        """Emit y = max(x · w + b, floor)."""
        if self._goes_by_halves():
            self._forward_by_halves(x, w, b, y, floor)
            return
        choice = self.choice(self.features, self.units)
        by_samples = choice.partition == "samples"
        handled = self._rows // (self.emit.threads if by_samples else 1)
        arguments: dict[str, Argument] = {
            "x": x, "w": w, "y": y, "floor": floor, "b": b, "by_samples": int(by_samples), **self._sizes
        }  # fmt: skip
        packs = handled >= PACKED_ROWS
        if self._may_be_sparse(x):
            self.emit.call(
                dense_forward_sparse, partition=choice, flops=self._flops, packs=int(packs),
                scratch=ScratchSize(LISTS_SCRATCH + packs * PACKED_SCRATCH), **arguments,
            )  # fmt: skip
        elif not packs:
            self.emit.call(dense_forward, partition=choice, flops=self._flops, **arguments)
        else:
            is_packed = self._packs_once()
            if is_packed:
                arguments["w"] = self._packed(w)
            self.emit.call(
                dense_forward_of_many, partition=choice, flops=self._flops, is_packed=int(is_packed),
                scratch=ScratchSize(0 if is_packed else FORWARD_SCRATCH), **arguments,
            )  # fmt: skip

    def _packs_once(self) -> bool:
        """Return whether the weights are packed before the first step, as none changes them: a copy in memory."""
        return not self.emit.gradients and self.features * self.units <= PACKED_ONCE

    def _packed(self, w: Buffer) -> Buffer:
        """Emit the packing of the weights into panels, and return those."""
        panels = self.emit.shared("panels", self.features * whole_panels(self.units))
        self.emit.call(
            pack_panels, partition="split", w=w, packed=panels, inputs=self.features, outputs=self.units, turn=0
        )
        return panels

    def _goes_by_halves(self) -> bool:
        """Return whether the forward pass sums over halves of the features: a part of the bits, whatever the threads.

        It does for few rows, where the weights change in each step, and are more than the sums that threads exchange.
        """
        few, many = self._rows <= HALVED_ROWS, self.features * self.units >= HALVED_WEIGHTS
        return self.emit.gradients and self.positions == 1 and few and many and self.features >= 2 * self.units

    def _forward_by_halves(self, x: Buffer, w: Buffer, b: Buffer, y: Buffer, floor: float) -> None:
        """Emit the sums over both halves of the features, by halves, and then, by samples, those of the two."""
        sums = self.emit.shared("sums_of_halves", 2 * self._rows * self.units)
        self.emit.call(
            dense_forward_halves, partition="halves", flops=self._flops, x=x, w=w, b=b,
            zeros=self.emit.zeros(self.units + MOST_COLUMNS), sums=sums,
            scratch=ScratchSize(LISTS_SCRATCH), searches=int(self._may_be_sparse(x)), middle=middle_of(self.features),
            apart=0, rows=self.emit.rows, features=self.features, units=self.units,
        )  # fmt: skip
        self.emit.call(add_halves, sums=sums, y=y, floor=floor, rows=self.emit.rows, units=self.units)

    def input_gradient(self, dy: Buffer, w: Buffer, dx: Buffer) -> None:
        """Emit dx = dy · wᵀ; what is smaller is transposed: the weights, or the gradients of few rows."""
        choice = self.choice(self.units, self.features)
        by_samples = choice.partition == "samples"
        handled = -(-self._rows // self.emit.threads) if by_samples else self._rows
        transposed = self.features * self.units // (1 if by_samples else self.emit.threads)
        few = handled <= FEW_ROWS and handled * (self.features + self.units) < transposed
        self.emit.call(
            dense_backward_input_of_few if few else dense_backward_input, partition=choice, flops=self._flops,
            dy=dy, w=w, dx=dx, zeros=self.emit.zeros(MOST_COLUMNS),
            scratch=ScratchSize((few * self._rows + MOST_COLUMNS) * self.units + few * FEATURES * MOST_COLUMNS),
            by_samples=int(by_samples), **self._sizes,
        )  # fmt: skip

    def weight_gradient(self, x: Buffer, dy: Buffer, update: PlanUpdate | None) -> None:
        """Emit dw = xᵀ · dy with its update, or nothing for weights that are frozen."""
        if update is None:
            return
        if update.descent is not None:
            self._descend(x, dy, *update.descent)
            return
        arguments: dict[str, Argument] = {
            "x": x, "dy": dy, "dw": update, "zeros": self.emit.zeros(self.units + MOST_COLUMNS), **self._sizes
        }  # fmt: skip
        if self._rows < MANY_ROWS and self._may_be_sparse(x):
            self.emit.call(
                dense_backward_weights_sparse, partition="split", flops=self._flops, weights=WEIGHTS,
                scratch=ScratchSize(LISTS_SCRATCH + WEIGHTS * self.units), middle=self.features, apart=0, **arguments,
            )  # fmt: skip
        elif self._rows < MANY_ROWS:
            self.emit.call(
                dense_backward_weights, partition="split", flops=self._flops, weights=WEIGHTS,
                scratch=ScratchSize(WEIGHTS * self.units), **arguments,
            )  # fmt: skip
        else:
            self.emit.call(
                dense_backward_weights_of_many, partition="split", flops=self._flops,
                scratch=ScratchSize(WEIGHTS_SCRATCH), **arguments,
            )  # fmt: skip

    def _descend(self, x: Buffer, dy: Buffer, weights: Buffer, scalars: Buffer) -> None:
        """Emit the weights' gradient and its plain descent in one, shared out as the forward pass reads the weights."""
        by_columns = self.units // MOST_COLUMNS >= self.emit.threads and not self._goes_by_halves()
        sparse = self._may_be_sparse(x)
        scratch = LISTS_SCRATCH + FEATURES * (self.units + MOST_COLUMNS) if sparse else FEATURES * MOST_COLUMNS
        in_one_piece: dict[str, Argument] = {"middle": self.features, "apart": 0} if sparse else {}
        self.emit.call(
            dense_descend_sparse if sparse else dense_descend, partition="split", flops=self._flops, x=x, dy=dy,
            w=weights, scalars=scalars, zeros=self.emit.zeros(self.units + MOST_COLUMNS), scratch=ScratchSize(scratch),
            by_columns=int(by_columns), **in_one_piece, **self._sizes,
        )  # fmt: skip


def emit_bias_gradient(emit: Emitter, dy: Buffer, update: PlanUpdate | None, positions: int, units: int) -> None:
    """Emit db = the sum of dy's rows with its update, or nothing for a bias that is frozen."""
    if update is not None:
        emit.call(
            dense_backward_bias, partition="split", dy=dy, db=update, scratch=ScratchSize(64), rows=emit.rows,
            positions=positions, units=units,
        )  # fmt: skip


@kernel
def dense_forward(
    x: In, w: In, b: In, y: Out, floor: Number, by_samples: Size, rows: Live, positions: Size, features: Size,
    units: Size, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """y[r, n] = max(b[n] + sum_i x[r, i] w[i, n], floor).

    Shapes: x (rows, positions, features), w (features, units), b (units), y (rows, positions, units).
    Partition: samples, or panels of units.
    """
    if by_samples != 0:
        first, last = first_of(rows, thread, threads) * positions, last_of(rows, thread, threads) * positions
        product(x, features, w, units, b, y, units, floor, first, last, 0, units, features)
    else:
        first, last = first_column_of(units, thread, threads), last_column_of(units, thread, threads)
        product(x, features, w, units, b, y, units, floor, 0, rows * positions, first, last, features)


@kernel
def dense_backward_input(
    dy: In, w: In, dx: Out, zeros: In, scratch: Scratch, by_samples: Size, rows: Live, positions: Size,
    features: Size, units: Size, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """dx[r, i] = sum_n dy[r, n] w[i, n].

    Shapes: dy (rows, positions, units), w (features, units), dx (rows, positions, features).
    Partition: samples, or panels of features.
    """
    if by_samples != 0:
        first, last = first_of(rows, thread, threads) * positions, last_of(rows, thread, threads) * positions
        transposed_product(dy, units, w, units, zeros, 0, dx, features, scratch, first, last, 0, features, units)
    else:
        first, last = first_column_of(features, thread, threads), last_column_of(features, thread, threads)
        transposed_product(
            dy, units, w, units, zeros, 0, dx, features, scratch, 0, rows * positions, first, last, units
        )


@kernel
def dense_backward_input_of_few(
    dy: In, w: In, dx: Out, zeros: In, scratch: Scratch, by_samples: Size, rows: Live, positions: Size,
    features: Size, units: Size, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """dx[r, i] = sum_n dy[r, n] w[i, n], for few rows; the same bits as `dense_backward_input`.

    Shapes: dy (rows, positions, units), w (features, units), dx (rows, positions, features).
    Partition: samples, or blocks of features.
    """
    if by_samples != 0:
        first, last = first_of(rows, thread, threads) * positions, last_of(rows, thread, threads) * positions
        transposed_product_of_few(dy, units, w, units, dx, features, zeros, scratch, first, last, 0, features, units)
    else:
        blocks = (features + FEATURES - 1) // FEATURES
        first, last = first_of(blocks, thread, threads) * FEATURES, last_of(blocks, thread, threads) * FEATURES
        transposed_product_of_few(
            dy, units, w, units, dx, features, zeros, scratch, 0, rows * positions, first, min(last, features), units
        )


@kernel
def dense_backward_weights(
    x: In, dy: In, dw: Update, zeros: In, scratch: Scratch, weights: Size, rows: Live, positions: Size, features: Size,
    units: Size, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """dw[i, n] = sum_r x[r, i] dy[r, n], a few rows of the weights at a time, each handed on while in cache.

    Shapes: x (rows, positions, features), dy (rows, positions, units), dw (features, units).
    Partition: rows of the weights.
    """
    first, last = first_in_lines(features, thread, threads), last_in_lines(features, thread, threads)
    weight_gradient(x, features, dy, units, dw, zeros, scratch, first, last, weights, rows * positions, units)


@kernel
def dense_descend(
    x: In, dy: In, w: InOut, scalars: InDouble, zeros: In, scratch: Scratch, by_columns: Size, rows: Live,
    positions: Size, features: Size, units: Size, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """w[i, n] -= rate * sum_r x[r, i] dy[r, n]; the rate is scalars[0].

    Shapes: x (rows, positions, features), dy (rows, positions, units), w (features, units).
    Partition: panels of units, whose weights then stay in one core's cache, or rows of the weights.
    """
    rate = real(scalars[0])
    if by_columns != 0:
        first, last = first_column_of(units, thread, threads), last_column_of(units, thread, threads)
        weight_descent(x, features, dy, units, w, units, rate, zeros, scratch, rows * positions, features, first, last)
    else:
        first, last = first_in_lines(features, thread, threads), last_in_lines(features, thread, threads)
        weight_descent(
            shift(x, first), features, dy, units, shift(w, first * units), units, rate, zeros, scratch,
            rows * positions, last - first, 0, units,
        )  # fmt: skip


@kernel
def dense_backward_bias(
    dy: In, db: Update, scratch: Scratch, rows: Live, positions: Size, units: Size, thread: Thread, threads: Threads
) -> None:
    """db[n] = sum_r dy[r, n], in the order of the rows.

    Shapes: dy (rows, positions, units), db (units). Partition: blocks of 64 units.
    """
    blocks = (units + 63) // 64
    first, last = first_of(blocks, thread, threads) * 64, last_of(blocks, thread, threads) * 64
    column_sums(dy, units, db, scratch, first, min(last, units), rows * positions)
