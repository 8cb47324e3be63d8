"""The calls of a convolution with the max pool behind it, by Winograd's minimal filtering."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dlrun.costs import Choice
from dlrun.kernels.products import NO_LIMIT
from dlrun.kernels.winograd_pool import (
    winograd_pool_backward_input,
    winograd_pool_backward_weights,
    winograd_pool_forward,
)
from dlrun.layers import winograd
from dlrun.layers.geometry import Geometry
from dlrun.plan import Buffer

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter


def emit_forward(
    emit: Emitter, geometry: Geometry, pool: Geometry, way: Choice, b: Buffer, floor: float, common: dict[str, Any]
) -> None:
    """Emit the convolution with the pool. `common` has the constants of both, and the winners."""
    u = winograd.filters_of(emit, geometry, common["geometry"])
    emit.call(
        winograd_pool_forward, partition=way, x=emit.input, u=u, b=b, y=emit.output, floor=floor,
        scratch=winograd.scratch_of((2 * pool.y.out, 2 * pool.x.out), geometry.channels, geometry.filters),
        **common | winograd.common(emit, geometry, common["geometry"]),
    )  # fmt: skip


def emit_input_gradient(emit: Emitter, geometry: Geometry, way: Choice, dx: Buffer, common: dict[str, Any]) -> None:
    """Emit the gradient of the input."""
    u = winograd.reversed_filters_of(emit, geometry, common["geometry"])
    emit.call(
        winograd_pool_backward_input, partition=way, dy=emit.output_gradient, u=u, dx=dx, no_limit=NO_LIMIT,
        scratch=winograd.scratch_of((geometry.y.extent, geometry.x.extent), geometry.filters, geometry.channels),
        **common | winograd.common(emit, geometry, common["geometry"]),
    )  # fmt: skip


def emit_weight_partials(
    emit: Emitter, geometry: Geometry, pool: Geometry, way: Choice, partials: Buffer, bias_partials: Buffer,
    common: dict[str, Any],
) -> None:  # fmt: skip
    """Emit the chunks' partial sums of the kernel's gradient and of the bias's."""
    out = 2 * pool.y.out, 2 * pool.x.out
    emit.call(
        winograd_pool_backward_weights, partition=replace(way, partition="chunks"), x=emit.input,
        dy=emit.output_gradient, partials=partials, bias_partials=bias_partials,
        scratch=winograd.weights_scratch_of(out, geometry.channels, geometry.filters),
        **common | winograd.common(emit, geometry, common["geometry"]),
    )  # fmt: skip
