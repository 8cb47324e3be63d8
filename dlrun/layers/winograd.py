"""When a convolution is computed by Winograd's minimal filtering, and the calls it is made of then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlrun.costs import Choice
from dlrun.kernels import winograd
from dlrun.kernels.target import MOST_COLUMNS
from dlrun.layers.geometry import Geometry
from dlrun.plan import Buffer, ScratchSize

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter

LEAST = 16
"""Channels and filters there have to be: as many as the widest vector has lanes."""
TRANSFORM = 60
"""What the transforms of a tile cost for each channel and each filter, in multiplications: about 4 cycles' worth."""
FORCED: bool | None = None
"""For tests: True takes Winograd's way wherever it is possible, False never."""


def is_possible(geometry: Geometry) -> bool:
    """Return whether Winograd's way is there for a convolution: 3x3, dense, and with enough channels and filters."""
    plain = all((axis.size, axis.stride, axis.dilation) == (3, 1, 1) for axis in (geometry.y, geometry.x))
    return plain and geometry.groups == 1 and min(geometry.channels, geometry.filters) >= LEAST


def choice(geometry: Geometry) -> Choice | None:
    """Return Winograd's way with the reason for it, or None where the direct one has fewer multiplications.

    It depends on the sizes of a sample alone, so that bits depend neither on the batch nor on the number of threads.
    """
    if FORCED is False or not is_possible(geometry):
        return None
    tiles = -(-geometry.y.out // 2) * -(-geometry.x.out // 2)
    products = geometry.channels * geometry.filters
    direct = 9 * products * geometry.y.out * geometry.x.out
    other = tiles * (16 * products + TRANSFORM * (geometry.channels + geometry.filters))
    if other >= direct and FORCED is None:
        return None
    return Choice("samples", f"Winograd: {other / 1e6:.1f} instead of {direct / 1e6:.1f} M multiplications a sample")


def _whole_panels(columns: int) -> int:
    return -(-columns // MOST_COLUMNS) * MOST_COLUMNS


def emit_forward(
    emit: Emitter, geometry: Geometry, way: Choice, x: Buffer, y: Buffer, b: Buffer, floor: float, constants: Buffer
) -> None:
    """Emit y = the convolution of x, plus b, cut off below at `floor`."""
    u = emit.shared("transformed", 16 * geometry.channels * _whole_panels(geometry.filters))
    emit.call(winograd.winograd_pack, partition="split", w=emit.variable("kernel"), u=u, geometry=constants)
    emit.call(
        winograd.winograd_forward, partition=way, x=x, u=u, b=b, y=y, floor=floor, geometry=constants,
        **_common(emit, geometry, (geometry.y.out, geometry.x.out), geometry.channels, geometry.filters),
    )  # fmt: skip


def emit_input_gradient(
    emit: Emitter, geometry: Geometry, way: Choice, dy: Buffer, dx: Buffer, b: Buffer, floor: float, constants: Buffer
) -> None:
    """Emit dx = the transposed convolution of dy, plus b, cut off below at `floor`."""
    u = emit.shared("transformed_reversed", 16 * geometry.filters * _whole_panels(geometry.channels))
    emit.call(
        winograd.winograd_pack_reversed, partition="split", w=emit.variable("kernel"), u=u, geometry=constants,
        scratch=ScratchSize(9 * MOST_COLUMNS),
    )  # fmt: skip
    emit.call(
        winograd.winograd_backward_input, partition=way, dy=dy, u=u, b=b, dx=dx, floor=floor, geometry=constants,
        **_common(emit, geometry, (geometry.y.extent, geometry.x.extent), geometry.filters, geometry.channels),
    )  # fmt: skip


def _common(emit: Emitter, geometry: Geometry, out: tuple[int, int], channels: int, filters: int) -> dict[str, Any]:
    """Return the arguments of a convolution of `channels` into `filters` over tiles of an output."""
    down, across = -(-out[0] // 2), -(-out[1] // 2)
    image = winograd.patched_size.function(down, across, channels)
    products = sum(16 * winograd.skewed.function(winograd.BLOCK * columns) for columns in (channels, filters))
    return {
        "flops": geometry.flops * emit.batch, "zeros": emit.zeros(MOST_COLUMNS), "rows": emit.rows,
        "scratch": ScratchSize(image + products),
    }  # fmt: skip
