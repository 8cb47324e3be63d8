"""The calls that bring a step's rows from the data set into the plan: gather, decode, scale."""

from __future__ import annotations

from math import prod

from dlrun.compiler.emitter import SAMPLE_WEIGHTS, Builder
from dlrun.data.signature import Feature
from dlrun.kernels.gather import (
    gather_bytes,
    gather_doubles,
    gather_floats,
    gather_labels,
    gather_labels_as_reals,
    gather_windows,
)
from dlrun.plan import FIRST, ROWS, STEP_OF_ROWS, Buffer

GATHER = {"uint8": gather_bytes, "float32": gather_floats, "float64": gather_doubles, "int32": gather_labels_as_reals}


def order_buffer(builder: Builder) -> Buffer:
    """Return the buffer with the epoch's order of rows, bound when the plan is run."""
    return builder.buffer("order", 0, "data", "int64")


def emit_inputs(builder: Builder, feature: Feature) -> Buffer:
    """Emit the gathering of an input as reals, stored * scale + offset; return its buffer (rows, *shape)."""
    return _gather_reals(builder, feature, f"inputs/{feature.name}")


def emit_targets(builder: Builder, feature: Feature) -> Buffer:
    """Emit the gathering of a target: class indices stay int32 (rows), all else becomes reals (rows, *shape)."""
    if feature.kind != "labels":
        return _gather_reals(builder, feature, f"targets/{feature.name}")
    data = builder.buffer(f"data/targets/{feature.name}", 0, "data", "int32")
    y = builder.rows_buffer(f"targets/{feature.name}", prod(feature.shape), "int32")
    size = prod(feature.shape)
    builder.call(gather_labels, data=data, order=order_buffer(builder), y=y, first=FIRST, rows=ROWS, size=size)
    return y


def emit_weights(builder: Builder, weighted: bool, factor: float = 1.0) -> Buffer:
    """Emit the gathering of the sample weights, times a factor; without any, all are one. Emitted once for a factor."""
    name = SAMPLE_WEIGHTS if factor == 1 else f"{SAMPLE_WEIGHTS}/{factor!r}"
    if name in builder.plan.buffers:
        return builder.plan.buffers[name]
    if not weighted:
        return builder.constant(name, (factor,) * builder.plan.batch)
    data = builder.buffer("data/sample_weights", 0, "data", "float32")
    weights = builder.rows_buffer(name, 1)
    scale = builder.constant("one" if factor == 1 else f"{name}/scale", (factor,))
    offset = builder.constant("zero", (0.0,))
    builder.call(
        gather_floats, data=data, order=order_buffer(builder), y=weights, scale=scale, offset=offset,
        channels=1, middle=1, apart=0, first=FIRST, rows=ROWS, size=1,
    )  # fmt: skip
    return weights


def _gather_reals(builder: Builder, feature: Feature, name: str) -> Buffer:
    data = builder.buffer(f"data/{name}", 0, "data", feature.stored_dtype)
    size = prod(feature.shape)
    y = builder.rows_buffer(name, size)
    if feature.overlapping:
        step = builder.buffer(f"data/{name}{STEP_OF_ROWS}", 0, "data", "int64")
        builder.call(
            gather_windows, data=data, step=step, order=order_buffer(builder), y=y, first=FIRST, rows=ROWS, size=size
        )
        return y
    channels = max(len(feature.scale), len(feature.offset))
    scale = feature.scale * (channels if len(feature.scale) == 1 else 1)
    offset = feature.offset * (channels if len(feature.offset) == 1 else 1)
    builder.call(
        GATHER[feature.stored_dtype], data=data, order=order_buffer(builder), y=y,
        scale=builder.constant(f"{name}/scale", scale), offset=builder.constant(f"{name}/offset", offset),
        channels=channels, middle=size, apart=0, first=FIRST, rows=ROWS, size=size,
    )  # fmt: skip
    return y
