"""Additive noise."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from dlrun.kernels.elementwise import copy
from dlrun.kernels.noise import DRAWS, add_noise
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
            add_noise, x=emit.input, y=emit.output, key=self.key(emit), stddev=self.stddev,
            scratch=ScratchSize(DRAWS), step=emit.step, rows=emit.rows, size=prod(emit.output_shape),
        )  # fmt: skip

    def backward(self, emit: Emitter) -> None:
        """Emit a copy of the gradient, unless it is in place already."""
        dx = emit.input_gradient()
        if dx is not None and dx is not emit.output_gradient:
            emit.call(copy, x=emit.output_gradient, y=dx, rows=emit.rows, size=prod(emit.output_shape))
