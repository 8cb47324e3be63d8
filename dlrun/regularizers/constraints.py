"""Conditions that weights are brought back to after each update.

A weight's columns are the weights of one output: all axes but the last are taken together. A vector (a bias) is one
column.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from dlrun.kernels.lang import (
    InOut,
    Live,
    Number,
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
from dlrun.kernels.math import sqrt
from dlrun.plan import APPLY, ScratchSize
from dlrun.regularizers.base import Constraint

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Builder
    from dlrun.plan import Buffer

PANEL = 64
"""Columns whose norms are taken at a time."""


class NormConstraint(Constraint):
    """Brings the norm of each output's weights into a range."""

    @property
    def limits(self) -> tuple[float, float]:
        """The least and the greatest norm."""
        raise TypeError(f"{type(self).__name__} has no limits")

    def emit(self, builder: Builder, weights: Buffer, shape: tuple[int, ...]) -> None:
        """Emit one call."""
        least, most = self.limits
        columns = shape[-1] if len(shape) > 1 else 1
        builder.call(
            limit_norms, partition="split", w=weights, least=least, most=most, scratch=ScratchSize(PANEL), apply=APPLY,
            rows=prod(shape) // columns, columns=columns,
        )  # fmt: skip


class MaxNorm(NormConstraint):
    """Scales the weights of an output down to a norm of at most `max_value`: N. Srivastava et al. (2014)."""

    type: Literal["max_norm"] = "max_norm"
    max_value: float = Field(default=2.0, gt=0)
    """The greatest norm."""

    @property
    def limits(self) -> tuple[float, float]:
        """0 and the greatest norm."""
        return (0.0, self.max_value)


class MinMaxNorm(NormConstraint):
    """Scales the weights of an output to a norm from `min_value` to `max_value`."""

    type: Literal["min_max_norm"] = "min_max_norm"
    min_value: float = Field(default=0.0, ge=0)
    """The least norm."""
    max_value: float = Field(default=1.0, gt=0)
    """The greatest norm; at least the least."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_value > self.max_value:
            raise ValueError(f"min_value is greater than max_value: {self.min_value:g} > {self.max_value:g}")
        return self

    @property
    def limits(self) -> tuple[float, float]:
        """The least and the greatest norm."""
        return (self.min_value, self.max_value)


class UnitNorm(NormConstraint):
    """Scales the weights of an output to norm 1."""

    type: Literal["unit_norm"] = "unit_norm"

    @property
    def limits(self) -> tuple[float, float]:
        """1 and 1."""
        return (1.0, 1.0)


class NonNegative(Constraint):
    """Sets negative weights to 0."""

    type: Literal["non_neg"] = "non_neg"

    def emit(self, builder: Builder, weights: Buffer, shape: tuple[int, ...]) -> None:
        """Emit one call."""
        builder.call(limit_entries, partition="split", w=weights, apply=APPLY, size=prod(shape))


@kernel
def limit_norms(
    w: InOut, least: Number, most: Number, scratch: Scratch, apply: Live, rows: Size, columns: Size, thread: Thread,
    threads: Threads,
) -> None:  # fmt: skip
    """Multiply each column of w (rows, columns) with what brings its norm to the nearest of least .. most.

    Columns whose norm is in the range keep their bits. A column of zeros stays one. Partition: panels of columns.
    """
    if apply == 0:
        return
    panels = (columns + PANEL - 1) // PANEL
    for panel in range(first_of(panels, thread, threads), last_of(panels, thread, threads)):
        here, count = shift(w, panel * PANEL), min(PANEL, columns - panel * PANEL)
        for c in range(count):
            scratch[c] = real(0)
        for r in range(rows):
            row = shift(here, r * columns)
            for c in range(count):
                scratch[c] += row[c] * row[c]
        for c in range(count):
            norm = sqrt(scratch[c])
            wanted = select(norm < least, least, select(norm > most, most, norm))
            scratch[c] = select((norm == wanted) | (norm == real(0)), real(1), wanted / norm)
        for r in range(rows):
            row = shift(here, r * columns)
            for c in range(count):
                row[c] *= scratch[c]


@kernel
def limit_entries(w: InOut, apply: Live, size: Size, thread: Thread, threads: Threads) -> None:
    """w = max(w, 0); NaN stays NaN. Shapes: w (size). Partition: entries."""
    if apply == 0:
        return
    zero = real(0)
    for i in range(first_of(size, thread, threads), last_of(size, thread, threads)):
        w[i] = select(w[i] < zero, zero, w[i])
