"""The output layer of a language model that scores each word by its own embedding."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, prod
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from dlrun.errors import ShapeError
from dlrun.initializers import INITIALIZERS, Initializer, Zeros
from dlrun.kernels.lang import In, Live, Out, Scratch, Size, Thread, Threads, first_of, kernel, last_of, tile_columns
from dlrun.kernels.products import transposed_product
from dlrun.kernels.target import MOST_COLUMNS
from dlrun.layers.activation import Activated
from dlrun.layers.base import Layer, MaskRule, Shape, shape_text
from dlrun.layers.dense import Products, emit_bias_gradient
from dlrun.layers.variable import Variable
from dlrun.plan import ScratchSize
from dlrun.registry import ChosenBy
from dlrun.regularizers import REGULARIZERS, Regularizer

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter

TABLE = "embeddings"


class OutputEmbedding(Activated):
    """A fully connected layer whose weights are an embedding's table, turned: y = x · tableᵀ + bias.

    So a vector is compared with that of each id, and input and output learn one table: O. Press & L. Wolf, "Using the
    output embedding to improve language models" (EACL 2017). The vectors that it takes are as long as the table's.
    """

    type: Literal["output_embedding"] = "output_embedding"
    embedding: str = Field(min_length=1)
    """The name of the embedding whose table it shares."""
    units: int | None = Field(default=None, gt=0)
    """The number of output features: the table's rows, which it knows itself."""
    use_bias: bool = True
    """Whether a bias is added."""
    bias_initializer: Annotated[Initializer, ChosenBy(INITIALIZERS)] = Zeros()
    """How the bias starts."""
    bias_regularizer: Annotated[Regularizer, ChosenBy(REGULARIZERS)] | None = None
    """A penalty on the bias."""

    reads_output: ClassVar[bool] = False
    mask_rule: ClassVar[MaskRule] = "pass"
    is_by_position: ClassVar[bool] = True
    references: ClassVar[tuple[str, ...]] = ("embedding",)

    def borrows(self) -> Mapping[str, tuple[str, str]]:
        """Return the embedding's table (ids, features)."""
        return {TABLE: (self.embedding, TABLE)}

    def for_weights(self, borrowed: Mapping[str, Shape], *inputs: Shape) -> Layer:
        """Return the layer with the table's rows as its units. Raises ShapeError where the table doesn't fit."""
        rows, features = borrowed[TABLE]
        if not inputs[0] or inputs[0][-1] != features:
            raise ShapeError(
                f"{self.type} takes vectors as long as those of {self.embedding!r}, of shape (..., {features}), got "
                f"{shape_text(inputs[0])}",
                help=f"put a dense layer of {features} units before it",
            )
        if self.units not in (None, rows):
            raise ShapeError(
                f"units is {self.units}, but the table of {self.embedding!r} has {rows} rows", "units", "leave it out"
            )
        return self.model_copy(update={"units": rows})

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the input's shape with a number for each id as the last axis."""
        return (*inputs[0][:-1], self._units)

    def variables(self, *inputs: Shape) -> tuple[Variable, ...]:
        """Return bias (units,)."""
        bias = Variable("bias", (self._units,), self.bias_initializer, regularizer=self.bias_regularizer)
        return (bias,) if self.use_bias else ()

    def flops(self, *inputs: Shape) -> int:
        """Return a multiplication and an addition for each weight and position."""
        return 2 * prod(inputs[0]) * self._units

    @property
    def _units(self) -> int:
        assert self.units is not None
        return self.units

    def _products(self, emit: Emitter) -> Products:
        """Return the calls of the product that the input's gradient is: of the output's, with the table as it lies."""
        *positions, features = emit.input_shapes[0]
        return Products(emit, prod(positions), self._units, features)

    def forward(self, emit: Emitter) -> None:
        """Emit the product with the turned table, and the bias."""
        products = self._products(emit)
        choice = products.choice(products.units, products.features)
        emit.call(
            output_embedding_forward, partition=choice, flops=self.flops(*emit.input_shapes) * emit.batch,
            x=emit.input, table=emit.variable(TABLE), y=emit.output,
            b=emit.variable("bias") if self.use_bias else emit.zeros(self._units),
            scratch=ScratchSize(MOST_COLUMNS * products.units), by_samples=int(choice.partition == "samples"),
            rows=emit.rows, positions=products.positions, features=products.units, units=self._units,
        )  # fmt: skip

    def backward(self, emit: Emitter) -> None:
        """Emit the gradients of the input, the table and the bias."""
        products, dx, dy = self._products(emit), emit.input_gradient(), emit.output_gradient
        if dx is not None:
            products.forward(dy, emit.variable(TABLE), emit.zeros(products.units), dx, -inf)
        products.weight_gradient(dy, emit.input, emit.update(TABLE))
        if self.use_bias:
            emit_bias_gradient(emit, dy, emit.update("bias"), products.positions, self._units)


@kernel
def output_embedding_forward(
    x: In, table: In, b: In, y: Out, scratch: Scratch, by_samples: Size, rows: Live, positions: Size, features: Size,
    units: Size, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """y[r, n] = b[n] + sum_i x[r, i] table[n, i].

    Shapes: x (rows, positions, features), table (units, features), b (units), y (rows, positions, units).
    Partition: samples, or panels of units.
    """
    if by_samples != 0:
        first, last = first_of(rows, thread, threads) * positions, last_of(rows, thread, threads) * positions
        transposed_product(x, features, table, features, b, 1, y, units, scratch, first, last, 0, units, features)
    else:
        panels = (units + tile_columns - 1) // tile_columns
        first, last = first_of(panels, thread, threads) * tile_columns, last_of(panels, thread, threads) * tile_columns
        transposed_product(
            x, features, table, features, b, 1, y, units, scratch, 0, rows * positions, first, min(last, units),
            features,
        )  # fmt: skip
