"""Dropout of whole channels."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from dlrun.errors import ShapeError
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
    real,
    select,
    shift,
)
from dlrun.kernels.philox import UNIFORMS, uniform_block
from dlrun.layers.base import Shape, shape_text
from dlrun.layers.noise import Noise
from dlrun.plan import Buffer, ScratchSize

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter


class SpatialDropout(Noise):
    """Drops whole channels of images or sequences in training; does nothing in inference.

    Neighbouring pixels of a channel are alike, so that dropping single ones hardly regularises: J. Tompson et al.,
    Efficient object localization using convolutional networks (CVPR 2015).
    """

    type: Literal["spatial_dropout"] = "spatial_dropout"
    rate: float = Field(ge=0, lt=1)
    """The share of channels that are dropped."""

    is_in_place: ClassVar[bool] = True
    reads_output: ClassVar[bool] = False

    @property
    def strength(self) -> float:
        """The rate."""
        return self.rate

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the input's shape: places and channels."""
        if len(inputs[0]) < 2:
            raise ShapeError(
                f"spatial_dropout needs an input of shape (..., channels), got {shape_text(inputs[0])}",
                help="for vectors use dropout",
            )
        return inputs[0]

    def forward(self, emit: Emitter) -> None:
        """Emit the draw, a factor for each channel of each sample, and the product."""
        factors = emit.saved("factors", emit.output_shape[-1])
        emit.call(
            spatial_dropout_draw, factors=factors, key=self.key(emit), rate=self.rate, scale=1 / (1 - self.rate),
            scratch=ScratchSize(UNIFORMS), step=emit.step, rows=emit.rows, channels=emit.output_shape[-1],
        )  # fmt: skip
        self._multiply(emit, x=emit.input, y=emit.output)

    def backward(self, emit: Emitter) -> None:
        """Emit dx = dy times the channel's factor."""
        dx = emit.input_gradient()
        if dx is not None:
            self._multiply(emit, x=emit.output_gradient, y=dx)

    def _multiply(self, emit: Emitter, x: Buffer, y: Buffer) -> None:
        places, channels = prod(emit.output_shape[:-1]), emit.output_shape[-1]
        emit.call(
            multiply_channels, x=x, factors=emit.saved("factors", channels), y=y,
            rows=emit.rows, places=places, channels=channels,
        )  # fmt: skip


@kernel
def spatial_dropout_draw(
    factors: Out, key: Size, rate: Number, scale: Number, scratch: Scratch, step: Live, rows: Live, channels: Size,
    thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """factors = scale where u >= rate, else 0, with u uniform by (key, step, row, channel).

    Shapes: factors (rows, channels). Partition: samples.
    """
    zero = real(0)
    for n in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        for first in range(0, channels, UNIFORMS):
            uniform_block(scratch, key, step, n, first // UNIFORMS)
            out = shift(factors, n * channels + first)
            for i in range(min(UNIFORMS, channels - first)):
                out[i] = select(scratch[i] >= rate, scale, zero)


@kernel
def multiply_channels(
    x: In, factors: In, y: Out, rows: Live, places: Size, channels: Size, thread: Thread, threads: Threads
) -> None:
    """y[n, p, c] = x[n, p, c] * factors[n, c]; 0 where the factor is 0, whatever x.

    Shapes: x, y (rows, places, channels), factors (rows, channels). y may be x. Partition: samples.
    """
    zero = real(0)
    for n in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        factor = shift(factors, n * channels)
        for p in range(n * places, (n + 1) * places):
            x_here, y_here = shift(x, p * channels), shift(y, p * channels)
            for c in range(channels):
                f = get(factor, c)
                put(y_here, c, select(f == zero, zero, get(x_here, c) * f))
