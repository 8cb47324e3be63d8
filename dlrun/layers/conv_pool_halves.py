"""When a convolution and the max pool of 2 x 2 behind it are computed window by window, and the calls for it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dlrun.costs import Choice
from dlrun.kernels.convolution_pool_halves import (
    TAPS,
    conv_pool_backward_weights_of_four,
    conv_pool_forward_of_four,
    conv_pool_predict_of_four,
)
from dlrun.kernels.target import MOST_COLUMNS
from dlrun.layers.geometry import Geometry
from dlrun.plan import Buffer, ScratchSize

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter

MOST_INPUTS = 1024
"""Up to so many inputs of an output the forward pass goes window by window: measured from 9, 1.7 times as fast as tiles
along a row of outputs, to 800, 1.1 times. Beyond, each thread's own panels of weights would be large."""
MOST_QUADS = 1 << 15
"""Up to so many entries of quads are made at a time: 128 KB in float32, which stay in the second-level cache."""
MOST_LANES = MOST_COLUMNS // 2
"""The most filters of a vector."""


def choice(geometry: Geometry, pool: Geometry) -> Choice | None:
    """Return the way window by window with the reason for it, or None where there is no such way."""
    plain = all(axis.stride == axis.dilation == 1 for axis in (geometry.y, geometry.x))
    if not (plain and geometry.groups == 1 and geometry.taps > 1 and pool.halves):
        return None
    return Choice("samples", f"a window's four places at once, of {geometry.taps * geometry.channels} inputs each")


def is_small(geometry: Geometry) -> bool:
    """Return whether the forward pass may go that way."""
    return geometry.taps * geometry.channels <= MOST_INPUTS


def emit_forward(
    emit: Emitter, geometry: Geometry, pool: Geometry, way: Choice, b: Buffer, floor: float, common: dict[str, Any]
) -> None:
    """Emit the convolution with the pool. `common` has the constants of both, and in training the winners."""
    panels = _rounded(geometry.filters, MOST_COLUMNS) * (1 + geometry.taps * geometry.channels)
    line = 2 * pool.x.out * MOST_COLUMNS
    emit.call(
        conv_pool_forward_of_four if "winner" in common else conv_pool_predict_of_four, partition=way, x=emit.input,
        w=emit.variable("kernel"), b=b, y=emit.output, floor=floor,
        scratch=ScratchSize(_rounded(geometry.padded_size) + panels + line), **common,
    )  # fmt: skip


def emit_weight_partials(
    emit: Emitter, geometry: Geometry, pool: Geometry, way: Choice, partials: Buffer, bias_partials: Buffer,
    common: dict[str, Any],
) -> None:  # fmt: skip
    """Emit the chunks' partial sums of the kernel's gradient and of the bias's."""
    pitch, height = geometry.padded[1] * geometry.channels, geometry.y.size
    band = max(1, min(pool.y.out, (MOST_QUADS // (4 * pitch) + 2 - height) // 2))
    groups = height * -(-geometry.x.size * geometry.channels // TAPS)
    sums = groups * _rounded(geometry.filters, MOST_LANES) * (TAPS + 1)
    quads = 4 * ((2 * band + height - 2) * pitch + TAPS)
    emit.call(
        conv_pool_backward_weights_of_four, partition=replace(way, partition="chunks"), x=emit.input,
        dy=emit.output_gradient, partials=partials, bias_partials=bias_partials, band=band,
        scratch=ScratchSize(_rounded(geometry.padded_size) + _rounded(sums) + quads), **common,
    )  # fmt: skip


def _rounded(count: int, to: int = 16) -> int:
    """Return the next multiple, as `rounded` of the kernels."""
    return -(-count // to) * to
