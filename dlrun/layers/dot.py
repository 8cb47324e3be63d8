"""The scalar product of two inputs."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from dlrun.errors import ShapeError
from dlrun.kernels.batch_products import sample_products, scalar_products, scale_rows
from dlrun.kernels.target import MOST_COLUMNS
from dlrun.layers.axes import place_of_axis
from dlrun.layers.base import Layer, Shape, shape_text
from dlrun.layers.l2_normalize import L2Normalize
from dlrun.layers.permute import Permute
from dlrun.plan import Buffer, ScratchSize

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter

KERAS_EPSILON = 1e-7
"""The least length that Keras divides by in `dot`."""


class Dot(Layer):
    """Multiplies two inputs and adds up along an axis of each: the scalar product of vectors, (n,) · (n,) → (1,).

    Of sequences it makes all scalar products of the vectors of one with those of the other:
    (queries, n) · (keys, n) → (queries, keys), and with axes [2, 1] the product of matrices.
    """

    type: Literal["dot"] = "dot"
    axes: int | Annotated[tuple[int, ...], Field(min_length=2, max_length=2)] = -1
    """The axis that is summed along, or that of each input, as in Keras: 1 is a sample's first, -1 the last."""
    normalize: bool = False
    """Whether vectors are made 1 long first: then the results are the cosines of the angles between them."""

    number_of_inputs: ClassVar[tuple[int, int | None]] = (2, 2)
    reads_output: ClassVar[bool] = False
    input_names: ClassVar[tuple[str, ...]] = ("left", "right")

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the extents of the first, then of the second, that are not summed along; (1,) where there are none."""
        places = self._places(*inputs)
        first, second = (shape[place] for shape, place in zip(inputs, places, strict=True))
        if first != second:
            message = f"dot sums along axes of one length, got {first} of {shape_text(inputs[0])} and {second} of"
            raise ShapeError(f"{message} {shape_text(inputs[1])}", "axes" if "axes" in self.model_fields_set else None)
        rests = [(*shape[:place], *shape[place + 1 :]) for shape, place in zip(inputs, places, strict=True)]
        return (*rests[0], *rests[1]) or (1,)

    def _places(self, *inputs: Shape) -> list[int]:
        """Return where the summed axes stand in the samples' shapes."""
        for shape in inputs:
            if len(shape) not in (1, 2):
                message = f"dot takes vectors (n,) and matrices such as sequences (time, n), got {shape_text(shape)}"
                raise ShapeError(message, help="add a flatten or reshape layer before it")
        axes = (self.axes, self.axes) if isinstance(self.axes, int) else self.axes
        return [place_of_axis(axis, len(shape), "axes") for axis, shape in zip(axes, inputs, strict=True)]

    def parts(self, *inputs: Shape) -> tuple[Layer, ...]:
        """Return what makes the vectors 1 long, and the product of them; nothing if they stay as they are."""
        if not self.normalize:
            return ()
        self.output_shape(*inputs)
        parts: list[Layer] = []
        for name, shape, place in zip(self.input_names, inputs, self._places(*inputs), strict=True):
            source = name
            if place != len(shape) - 1:
                source = f"{name}_turned"
                parts.append(Permute(name=source, inputs=(name,), dims=(2, 1)))
            parts.append(L2Normalize(name=f"{name}_normalized", inputs=(source,), epsilon=KERAS_EPSILON))
        names = tuple(f"{name}_normalized" for name in self.input_names)
        return (*parts, Dot(name="product", inputs=names, axes=-1))

    def flops(self, *inputs: Shape) -> int:
        """Return a multiplication and an addition for each pair of factors."""
        return 2 * prod(inputs[0]) * prod(inputs[1]) // inputs[0][self._places(*inputs)[0]]

    def forward(self, emit: Emitter) -> None:
        """Emit one call: scalar products, or products of matrices."""
        first, second = self._views(emit)
        if first.rows == second.rows == 1:
            flops = self.flops(*emit.input_shapes) * emit.batch
            a, b = emit.inputs
            emit.call(scalar_products, a=a, b=b, y=emit.output, rows=emit.rows, count=first.columns, flops=flops)
        else:
            _emit_product(emit, first, second.transposed, emit.output)

    def backward(self, emit: Emitter) -> None:
        """Emit each input's gradient, if it is wanted: that of the output times the other input."""
        views = self._views(emit)
        for index, other in ((0, views[1]), (1, views[0])):
            dx = emit.input_gradient(index)
            if dx is None:
                continue
            if views[0].rows == views[1].rows == 1:
                emit.call(
                    scale_rows, x=other.buffer, factors=emit.output_gradient, y=dx, rows=emit.rows, count=other.columns
                )
                continue
            dy = _Matrix(emit.output_gradient, views[0].rows, views[1].rows, views[1].rows, 1)
            dy = dy if index == 0 else dy.transposed
            if views[index].column_step == 1:
                _emit_product(emit, dy, other, dx)
            else:
                _emit_product(emit, other.transposed, dy.transposed, dx)

    def _views(self, emit: Emitter) -> list[_Matrix]:
        """Return each input as a matrix (vectors, n), however it lies in memory; a vector is one row."""
        views = []
        places = self._places(*emit.input_shapes)
        for buffer, shape, place in zip(emit.inputs, emit.input_shapes, places, strict=True):
            columns = shape[place]
            rows = prod(shape) // columns
            steps = (columns, 1) if place == len(shape) - 1 else (1, rows)
            views.append(_Matrix(buffer, rows, columns, *steps))
        return views


@dataclass(frozen=True)
class _Matrix:
    """A matrix for each sample, and how far apart its rows and columns lie."""

    buffer: Buffer
    rows: int
    columns: int
    row_step: int
    column_step: int

    @property
    def transposed(self) -> _Matrix:
        return _Matrix(self.buffer, self.columns, self.rows, self.column_step, self.row_step)


def _emit_product(emit: Emitter, a: _Matrix, b: _Matrix, c: Buffer) -> None:
    """Emit c = a · b, sample by sample."""
    emit.call(
        sample_products, a=a.buffer, b=b.buffer, c=c, zeros=emit.zeros(MOST_COLUMNS),
        scratch=ScratchSize(a.columns * MOST_COLUMNS), rows=emit.rows, a_rows=a.rows, b_columns=b.columns,
        depth=a.columns, a_row=a.row_step, a_k=a.column_step, b_k=b.row_step, b_column=b.column_step,
        flops=2 * a.rows * a.columns * b.columns * emit.batch,
    )  # fmt: skip
