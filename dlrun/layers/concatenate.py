"""Inputs side by side."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dlrun.errors import ShapeError
from dlrun.kernels.lang import In, InOut, Live, Out, Size, Thread, Threads, first_of, helper, kernel, last_of, shift
from dlrun.kernels.masks import both_masks
from dlrun.layers.axes import place_of_axis
from dlrun.layers.base import Layer, MaskRule, Shape, shape_text

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter


class Concatenate(Layer):
    """Joins two or more inputs along an axis; their other extents must agree.

    Of padded sequences side by side a position is real where it is in all of them; one after the other they keep their
    masks.
    """

    type: Literal["concatenate"] = "concatenate"
    axis: int = -1
    """The axis, as in Keras: 1 is a sample's first (0 is the batch's), -1 the last."""

    number_of_inputs: ClassVar[tuple[int, int | None]] = (2, None)
    reads_output: ClassVar[bool] = False
    mask_rule: ClassVar[MaskRule] = "make"

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the inputs' shape with the extents along the axis added up."""
        if any(len(shape) == 0 for shape in inputs):
            raise ShapeError("concatenate needs inputs with an axis, got single numbers")
        place = place_of_axis(self.axis, len(inputs[0]))
        rests = {(*shape[:place], *shape[place + 1 :]) for shape in inputs if len(shape) == len(inputs[0])}
        if len(rests) != 1 or any(len(shape) != len(inputs[0]) for shape in inputs):
            shapes = ", ".join(map(shape_text, inputs))
            raise ShapeError(f"concatenate needs inputs that agree in all but axis {self.axis}, got {shapes}")
        return (*inputs[0][:place], sum(shape[place] for shape in inputs), *inputs[0][place + 1 :])

    def next_position(self, *inputs: Shape) -> Layer | None:
        """Return the layer itself where it joins features."""
        return self if len(inputs[0]) > 1 and place_of_axis(self.axis, len(inputs[0])) > 0 else None

    def _parts(self, emit: Emitter) -> list[dict[str, Any]]:
        """Return for each input how its runs of entries lie in the output."""
        place = place_of_axis(self.axis, len(emit.output_shape))
        runs, width = prod(emit.output_shape[:place]), prod(emit.output_shape[place:])
        parts, start = [], 0
        for shape in emit.input_shapes:
            size = prod(shape[place:])
            parts.append({"rows": emit.rows, "runs": runs, "size": size, "start": start, "width": width})
            start += size
        return parts

    def forward(self, emit: Emitter) -> None:
        """Emit a copy of each input into its part of the output."""
        for index, (x, part) in enumerate(zip(emit.inputs, self._parts(emit), strict=True)):
            emit.call(put_first_part if index == 0 else put_part, x=x, y=emit.output, **part)
        self._emit_mask(emit)

    def _emit_mask(self, emit: Emitter) -> None:
        """Emit the mask, if an input has one: the inputs' in a row along the axis of time, else what is real in all."""
        masks = [emit.mask_of(index) for index in range(len(emit.inputs))]
        found = list(dict.fromkeys(mask for mask in masks if mask is not None))
        if not found:
            return
        start, width = 0, emit.output_shape[0]
        common: dict[str, Any] = {"y": emit.new_mask, "rows": emit.rows}
        if place_of_axis(self.axis, len(emit.output_shape)) > 0:
            emit.call(put_first_part, x=found[0], runs=1, size=width, start=0, width=width, **common)
            for other in found[1:]:
                emit.call(both_masks, mask=other, time=width, **common)
            return
        for index, (mask, (time, *_)) in enumerate(zip(masks, emit.input_shapes, strict=True)):
            x = mask or emit.constant(f"ones_{time}", (1.0,) * (time * emit.batch))
            kernel = put_first_part if index == 0 else put_part
            emit.call(kernel, x=x, runs=1, size=time, start=start, width=width, **common)
            start += time

    def backward(self, emit: Emitter) -> None:
        """Emit a copy of each input's part of the gradient."""
        for index, part in enumerate(self._parts(emit)):
            dx = emit.input_gradient(index)
            if dx is not None:
                emit.call(take_part, y=emit.output_gradient, x=dx, **part)


@helper
def copy_runs(source, source_step, target, target_step, size, first, last):  # type: ignore[no-untyped-def]
    """target[r target_step + i] = source[r source_step + i] for i < size, first <= r < last."""
    for r in range(first, last):
        x, y = shift(source, r * source_step), shift(target, r * target_step)
        for i in range(size):
            y[i] = x[i]


@kernel
def put_first_part(
    x: In, y: Out, runs: Size, size: Size, start: Size, width: Size, rows: Live, thread: Thread, threads: Threads
) -> None:
    """y[r, start + i] = x[r, i]: what `put_part` does, into a y that holds nothing yet. Partition: samples."""
    first, last = first_of(rows, thread, threads) * runs, last_of(rows, thread, threads) * runs
    copy_runs(x, size, shift(y, start), width, size, first, last)


@kernel
def put_part(
    x: In, y: InOut, runs: Size, size: Size, start: Size, width: Size, rows: Live, thread: Thread, threads: Threads
) -> None:
    """y[r, start + i] = x[r, i]. Shapes: x (rows * runs, size), y (rows * runs, width). Partition: samples."""
    first, last = first_of(rows, thread, threads) * runs, last_of(rows, thread, threads) * runs
    copy_runs(x, size, shift(y, start), width, size, first, last)


@kernel
def take_part(
    y: In, x: Out, runs: Size, size: Size, start: Size, width: Size, rows: Live, thread: Thread, threads: Threads
) -> None:
    """x[r, i] = y[r, start + i]. Shapes: x (rows * runs, size), y (rows * runs, width). Partition: samples."""
    first, last = first_of(rows, thread, threads) * runs, last_of(rows, thread, threads) * runs
    copy_runs(shift(y, start), width, x, size, size, first, last)
