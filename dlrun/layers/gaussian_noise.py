"""Additive noise."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from dlrun.kernels.elementwise import copy
from dlrun.kernels.entries import get, put
from dlrun.kernels.lang import (
    In,
    Live,
    Number,
    Out,
    Scratch,
    Size,
    Thread,
    Threads,
    first_of,
    kernel,
    last_of,
    shift,
)
from dlrun.kernels.math import normal_quantile
from dlrun.layers.dropout import DRAWS, draw_entries
from dlrun.layers.noise import Noise
from dlrun.plan import ScratchSize

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter


class GaussianNoise(Noise):
    """Adds normal noise in training; does nothing in inference."""

    type: Literal["gaussian_noise"] = "gaussian_noise"
    stddev: float = Field(ge=0)
    """The standard deviation of the noise."""

    is_in_place: ClassVar[bool] = True
    reads_output: ClassVar[bool] = False

    @property
    def strength(self) -> float:
        """The standard deviation."""
        return self.stddev

    def forward(self, emit: Emitter) -> None:
        """Emit the draw and the sum."""
        emit.call(
            gaussian_noise_forward, x=emit.input, y=emit.output, key=self.key(emit), stddev=self.stddev,
            scratch=ScratchSize(DRAWS), step=emit.step, rows=emit.rows, size=prod(emit.output_shape),
        )  # fmt: skip

    def backward(self, emit: Emitter) -> None:
        """Emit a copy of the gradient, unless it is in place already."""
        dx = emit.input_gradient()
        if dx is not None and dx is not emit.output_gradient:
            emit.call(copy, x=emit.output_gradient, y=dx, rows=emit.rows, size=prod(emit.output_shape))


@kernel
def gaussian_noise_forward(x: In, y: Out, key: Size, stddev: Number, scratch: Scratch, step: Live, rows: Live, size: Size, thread: Thread, threads: Threads):  # fmt: skip
    """y = x + stddev * z, with z normal by (key, step, row, entry).

    Shapes: x, y (rows, size). y may be x. Partition: samples.
    """
    for n in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        for first in range(0, size, DRAWS):
            count = min(DRAWS, size - first)
            draw_entries(scratch, key, step, n, first, count)
            x_here, y_here = shift(x, n * size + first), shift(y, n * size + first)
            for i in range(count):
                put(y_here, i, get(x_here, i) + stddev * normal_quantile(get(scratch, i)))
