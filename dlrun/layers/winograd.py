"""When a convolution is computed by Winograd's minimal filtering, and the calls it is made of then."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dlrun.costs import Choice
from dlrun.kernels.target import MOST_COLUMNS, whole_panels
from dlrun.kernels.winograd import (
    BLOCK,
    PLACES,
    SIDE,
    SOME,
    patched_size,
    skewed,
    tiles_over,
    winograd_backward_input,
    winograd_forward,
    winograd_pack,
    winograd_pack_reversed,
)
from dlrun.kernels.winograd_weights import BLOCK as WEIGHTS_BLOCK
from dlrun.kernels.winograd_weights import winograd_backward_weights
from dlrun.layers.geometry import Geometry
from dlrun.plan import Buffer, ScratchSize

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter

LEAST = 16
"""Channels and filters there have to be: as many as the widest vector has lanes."""
TRANSFORM = 250
"""What the transforms of a tile cost for each channel and each filter, in multiplications: about 16 cycles' worth."""
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
    tiles = -(-geometry.y.out // SIDE) * -(-geometry.x.out // SIDE)
    products = geometry.channels * geometry.filters
    direct = 9 * products * geometry.y.out * geometry.x.out
    other = tiles * (PLACES * products + TRANSFORM * (geometry.channels + geometry.filters))
    if other >= direct and FORCED is None:
        return None
    return Choice("samples", f"Winograd: {other / 1e6:.1f} instead of {direct / 1e6:.1f} M multiplications a sample")


def emit_forward(
    emit: Emitter, geometry: Geometry, way: Choice, x: Buffer, y: Buffer, b: Buffer, floor: float, constants: Buffer
) -> None:
    """Emit y = the convolution of x, plus b, cut off below at `floor`."""
    emit.call(
        winograd_forward, partition=way, x=x, u=filters_of(emit, geometry, constants), b=b, y=y, floor=floor,
        scratch=scratch_of((geometry.y.out, geometry.x.out), geometry.channels, geometry.filters),
        **common(emit, geometry, constants),
    )  # fmt: skip


def emit_input_gradient(
    emit: Emitter, geometry: Geometry, way: Choice, dy: Buffer, dx: Buffer, b: Buffer, floor: float, constants: Buffer
) -> None:
    """Emit dx = the transposed convolution of dy, plus b, cut off below at `floor`."""
    emit.call(
        winograd_backward_input, partition=way, dy=dy, u=reversed_filters_of(emit, geometry, constants), b=b, dx=dx,
        floor=floor, scratch=scratch_of((geometry.y.extent, geometry.x.extent), geometry.filters, geometry.channels),
        **common(emit, geometry, constants),
    )  # fmt: skip


def emit_weight_partials(
    emit: Emitter, geometry: Geometry, way: Choice, x: Buffer, dy: Buffer, partials: Buffer, constants: Buffer
) -> None:
    """Emit the chunks' partial sums of the kernel's gradient."""
    out = geometry.y.out, geometry.x.out
    emit.call(
        winograd_backward_weights, partition=replace(way, partition="chunks"), x=x, dy=dy, partials=partials,
        scratch=weights_scratch_of(out, geometry.channels, geometry.filters), **common(emit, geometry, constants),
    )  # fmt: skip


def filters_of(emit: Emitter, geometry: Geometry, constants: Buffer) -> Buffer:
    """Return the transformed filters for the forward pass, and emit the call that makes them."""
    u = emit.shared("transformed", filters_size(geometry.channels, geometry.filters))
    emit.call(winograd_pack, partition="split", w=emit.variable("kernel"), u=u, geometry=constants)
    return u


def reversed_filters_of(emit: Emitter, geometry: Geometry, constants: Buffer) -> Buffer:
    """Return the transformed filters for the input's gradient, and emit the call that makes them."""
    u = emit.shared("transformed_reversed", filters_size(geometry.filters, geometry.channels))
    emit.call(
        winograd_pack_reversed, partition="split", w=emit.variable("kernel"), u=u, geometry=constants,
        scratch=ScratchSize(SOME * 9 * MOST_COLUMNS),
    )  # fmt: skip
    return u


def common(emit: Emitter, geometry: Geometry, constants: Buffer) -> dict[str, Any]:
    """Return the arguments that all calls take. Operations are counted as the direct way has them."""
    zeros = emit.zeros(max(MOST_COLUMNS, geometry.channels))
    return {"flops": geometry.flops * emit.batch, "zeros": zeros, "geometry": constants, "rows": emit.rows}


def scratch_of(out: tuple[int, int], channels: int, filters: int) -> ScratchSize:
    """Return what a thread needs for tiles over an output: an image, V and M."""
    arrays = sum(PLACES * skewed.function(BLOCK * columns) for columns in (channels, filters))
    return ScratchSize(image_size(out, channels) + arrays)


def weights_scratch_of(out: tuple[int, int], channels: int, filters: int) -> ScratchSize:
    """Return what a thread needs for the weights' gradient: an image of both kinds, V, D and dU."""
    arrays = sum(PLACES * skewed.function(WEIGHTS_BLOCK * columns) for columns in (channels, filters))
    images = image_size(out, channels) + image_size(out, filters)
    return ScratchSize(images + arrays + filters_size(channels, filters))


def image_size(out: tuple[int, int], channels: int) -> int:
    """Return the entries of an image with the zeros around it that the tiles over an output reach."""
    size: int = patched_size.function(tiles_over.function(out[0]), tiles_over.function(out[1]), channels)
    return size


def filters_size(channels: int, filters: int) -> int:
    """Return the entries of U or dU, in panels of columns, on any machine."""
    columns = whole_panels(filters)
    return PLACES * int(skewed.function(columns * channels))
