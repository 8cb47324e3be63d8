"""Sums and maxima of rows, 16 entries at a time, then 4, then one: LLVM vectorises no sum, whose order is in its bits.

There are 16 partial results, one for each place of 16 entries. By halves they become 4, which take in the entries that
are left, and those one, which takes in the last three. The order is the same on every machine, whatever its vectors.
Imported only when a kernel is compiled.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import inf
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from dlrun.kernels.intrinsics import I32, I64, NUMBA_TYPES
from dlrun.kernels.target import Target

WIDTHS = 16, 4, 1


class Lanes:
    """Emits arithmetic on so many reals at a time; one is a scalar."""

    def __init__(self, builder: Any, precision: str, count: int) -> None:
        self.builder, self.count = builder, count
        self.scalar, self.bytes = (ir.FloatType(), 4) if precision == "float32" else (ir.DoubleType(), 8)
        self.type = self.scalar if count == 1 else ir.VectorType(self.scalar, count)

    def load(self, pointer: Any, i: Any) -> Any:
        """Return the entries from the i-th on."""
        place = self.builder.bitcast(self.builder.gep(pointer, [i]), self.type.as_pointer())
        return self.builder.load(place, align=self.bytes)

    def constant(self, value: float) -> Any:
        """Return a number in all lanes."""
        return ir.Constant(self.type, value if self.count == 1 else [value] * self.count)

    def splat(self, value: Any) -> Any:
        """Return a scalar in all lanes."""
        if self.count == 1:
            return value
        one = self.builder.insert_element(ir.Constant(self.type, ir.Undefined), value, I32(0))
        return self.builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(I32, self.count), [0] * self.count))

    def part(self, value: Any, first: int, count: int) -> Any:
        """Return some of a vector's lanes."""
        if count == 1:
            return self.builder.extract_element(value, I32(first))
        places = ir.Constant(ir.VectorType(I32, count), [*range(first, first + count)])
        return self.builder.shuffle_vector(value, value, places)

    def multiply_add(self, a: Any, b: Any, c: Any) -> Any:
        """Return a b + c, rounded once."""
        of = f"f{8 * self.bytes}" if self.count == 1 else f"v{self.count}f{8 * self.bytes}"
        kind = ir.FunctionType(self.type, [self.type] * 3)
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, kind, f"llvm.fma.{of}"), [a, b, c])


Take = Callable[[Lanes, Any, Any], Any]
"""Takes the entries from the i-th on into partial results: (lanes, partial results, i)."""
Join = Callable[[Any, Any, Any], Any]
"""Makes two partial results one: (builder, one, other)."""


def fold(builder: Any, precision: str, count: Any, start: float, take: Take, join: Join) -> Any:
    """Emit the loops over a row's entries; return what they come to."""
    result, first, width = None, I64(0), WIDTHS[0]
    for wanted in WIDTHS:
        lanes = Lanes(builder, precision, wanted)
        while result is not None and width > wanted:
            width //= 2
            result = join(builder, lanes.part(result, 0, width), lanes.part(result, width, width))
        slot = cgutils.alloca_once_value(builder, lanes.constant(start) if result is None else result)
        last = builder.and_(count, I64(-wanted))
        with cgutils.for_range_slice(builder, first, last, I64(wanted), I64) as (i, _):
            builder.store(take(lanes, builder.load(slot), i), slot)
        result, first = builder.load(slot), last
    return result


def _add(builder: Any, one: Any, other: Any) -> Any:
    return builder.fadd(one, other)


def _larger(builder: Any, one: Any, other: Any) -> Any:
    return builder.select(builder.fcmp_ordered(">", other, one), other, one)


def _products(lanes: Lanes, so_far: Any, i: Any, x: Any, y: Any) -> Any:
    return lanes.multiply_add(lanes.load(x, i), lanes.load(y, i), so_far)


def _squares(lanes: Lanes, so_far: Any, i: Any, x: Any, mean: Any) -> Any:
    deviation = lanes.builder.fsub(lanes.load(x, i), lanes.splat(mean))
    return lanes.multiply_add(deviation, deviation, so_far)


@cache
def _of_row(precision: str, start: float, join: Join) -> Any:
    """Return f(x, count), which joins a row's entries."""

    @intrinsic  # type: ignore[untyped-decorator]
    def joined(typingctx: Any, x: Any, count: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            def take(lanes: Lanes, so_far: Any, i: Any) -> Any:
                return join(builder, so_far, lanes.load(args[0], i))

            return fold(builder, precision, args[1], start, take, join)

        return NUMBA_TYPES[precision](x, types.int64), codegen

    return joined


@cache
def _of_pairs(precision: str, add: Callable[[Lanes, Any, Any, Any, Any], Any]) -> Any:
    """Return f(x, other, count), which adds up what a row's entries and the other argument make."""

    @intrinsic  # type: ignore[untyped-decorator]
    def summed(typingctx: Any, x: Any, other: Any, count: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            def take(lanes: Lanes, so_far: Any, i: Any) -> Any:
                return add(lanes, so_far, i, args[0], args[1])

            return fold(builder, precision, args[2], 0.0, take, _add)

        return NUMBA_TYPES[precision](x, other, types.int64), codegen

    return summed


def row_sum(target: Target) -> Any:
    """Return the sum of a row."""
    return _of_row(target.precision, 0.0, _add)


def row_max(target: Target) -> Any:
    """Return the largest entry of a row."""
    return _of_row(target.precision, -inf, _larger)


def row_dot(target: Target) -> Any:
    """Return the sum of two rows' products."""
    return _of_pairs(target.precision, _products)


def row_squares(target: Target) -> Any:
    """Return the sum of a row's squared deviations from a number."""
    return _of_pairs(target.precision, _squares)
