"""Rotary positions: pairs of features turned by an angle that grows with the position."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from dlrun.kernels.entries import get, put
from dlrun.kernels.lang import (
    In,
    Live,
    Number,
    Out,
    Size,
    Thread,
    Threads,
    first_of,
    helper,
    kernel,
    last_of,
    real,
    shift,
)
from dlrun.layers.base import Layer, MaskRule, Shape
from dlrun.plan import POSITION

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter

LONGEST_WAVE = 10000.0


class RotaryPositions(Layer):
    """Turns the first `heads` vectors of `width` features at each position; what comes after them passes.

    J. Su et al., RoFormer: enhanced transformer with rotary position embedding (2021), equation 34, with feature i
    paired with i + width / 2 as keras_hub has it. A part of multi_head_attention, not a layer of the language.
    """

    type: Literal["rotary_positions"] = "rotary_positions"
    heads: int
    width: int

    is_in_place: ClassVar[bool] = True
    reads_output: ClassVar[bool] = False
    mask_rule: ClassVar[MaskRule] = "pass"
    is_bounded: ClassVar[bool] = True

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the input's shape."""
        return inputs[0]

    def next_position(self, *inputs: Shape) -> Layer | None:
        """Return what turns the next position."""
        return NextRotation(positions=self, time=inputs[0][0])

    def forward(self, emit: Emitter) -> None:
        """Emit the rotation."""
        emit.call(rotate, x=emit.input, y=emit.output, direction=1.0, **self._arguments(emit))

    def backward(self, emit: Emitter) -> None:
        """Emit the rotation the other way round."""
        dx = emit.input_gradient()
        if dx is not None:
            emit.call(rotate, x=emit.output_gradient, y=dx, direction=-1.0, **self._arguments(emit))

    def _arguments(self, emit: Emitter) -> dict[str, Any]:
        return self.angles(emit, emit.output_shape[0]) | {"places": emit.output_shape[0]}

    def angles(self, emit: Emitter, time: int) -> dict[str, Any]:
        """Return the arguments that every kernel takes: the angles of the positions, and the sizes."""
        half = self.width // 2
        angles = np.outer(np.arange(time), LONGEST_WAVE ** (-np.arange(half) / half))
        return {
            "cosines": emit.constant("cosines", tuple(np.cos(angles).ravel().tolist())),
            "sines": emit.constant("sines", tuple(np.sin(angles).ravel().tolist())),
            "rows": emit.rows, "step": emit.output_shape[1], "heads": self.heads, "half": half,
        }  # fmt: skip


class NextRotation(Layer):
    """Turns the next position, in inference: x and y are (1, features)."""

    type: Literal["next_rotation"] = "next_rotation"
    positions: RotaryPositions
    time: int

    mask_rule: ClassVar[MaskRule] = "pass"

    def flops(self, *inputs: Shape) -> int:
        """Return an operation for each entry."""
        return inputs[0][-1]

    def forward(self, emit: Emitter) -> None:
        """Emit the rotation."""
        angles = self.positions.angles(emit, self.time)
        emit.call(rotate_position, x=emit.input, y=emit.output, position=POSITION, **angles)


@helper
def turn_pairs(x, y, cosine, sine, direction, step, heads, half):  # type: ignore[no-untyped-def]
    """Turn the pairs of one position, and copy the rest of it."""
    for h in range(heads):
        a, b = shift(x, 2 * h * half), shift(x, (2 * h + 1) * half)
        c, d = shift(y, 2 * h * half), shift(y, (2 * h + 1) * half)
        for i in range(half):
            left, right, turn = get(a, i), get(b, i), direction * sine[i]
            put(c, i, left * cosine[i] - right * turn)
            put(d, i, right * cosine[i] + left * turn)
    rest, out = shift(x, 2 * heads * half), shift(y, 2 * heads * half)
    for i in range(step - 2 * heads * half):
        put(out, i, get(rest, i))


@kernel
def rotate_position(
    x: In, cosines: In, sines: In, y: Out, position: Live, rows: Live, step: Size, heads: Size, half: Size,
    thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """What `rotate` makes of one position. Shapes: x, y (rows, step). Partition: samples."""
    cosine, sine = shift(cosines, position * half), shift(sines, position * half)
    for n in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        turn_pairs(shift(x, n * step), shift(y, n * step), cosine, sine, real(1), step, heads, half)


@kernel
def rotate(
    x: In, cosines: In, sines: In, y: Out, direction: Number, rows: Live, places: Size, step: Size, heads: Size,
    half: Size, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """y[i] = x[i] cos - x[i + half] sin, y[i + half] = x[i + half] cos + x[i] sin, for each head; the rest is copied.

    The angle is direction * position * 10000^(-i / half).
    Shapes: x, y (rows, places, step), cosines, sines (places, half). y may be x. Partition: samples.
    """
    for p in range(first_of(rows, thread, threads) * places, last_of(rows, thread, threads) * places):
        cosine, sine = shift(cosines, p % places * half), shift(sines, p % places * half)
        turn_pairs(shift(x, p * step), shift(y, p * step), cosine, sine, direction, step, heads, half)
