"""Odd functions as polynomials of segments, whose coefficients are looked up in registers.

    f(x) = sign(x) P_k(r),   |x| / WIDTH = k + r,   -1/2 <= r <= 1/2,   k = 0, 1 .. 15

Beyond the last segment's middle f is what it is there. Sixteen numbers are a register of AVX-512, or two of AVX2, and a
shuffle takes each lane's own one: of a function that has a bend, a few terms are enough where one polynomial for all of
the range needs a division, an exponential or twenty terms. Without such a shuffle each entry's coefficients come from
memory. Each takes the same operations, so that the bits are the same with and without.
Imported only when a kernel is compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba.core import cgutils

from dlrun.kernels.intrinsics import I32, I64
from dlrun.kernels.row_vectors import Lanes
from dlrun.kernels.target import Target, host_has

WIDTH = 0.4
"""The length of a segment."""
SEGMENTS = 16
ROUND = 12582912.0
"""1.5 * 2**23: added to a small float32, it leaves the nearest whole number in the lowest bits."""
SIGN = 0x80000000
"""The bit of a float32 that is its sign; those below are its magnitude."""
LANES, ROW = 4, 8
"""Lanes where there is no shuffle, and the length of a row of coefficients in memory: two vectors of these."""
SHUFFLES = {16: ("avx512f", "avx512.permvar.sf.512"), 8: ("avx2", "avx2.permps")}
"""For numbers of lanes, the feature, and its instruction that takes each lane's own entry of a register, by the lowest
bits of a number."""
HALVES = [ir.Constant(ir.VectorType(I32, 4), places) for places in ([0, 4, 1, 5], [2, 6, 3, 7])]
"""The two vectors that two of four lanes make when they are interleaved."""
Table = Sequence[Sequence[float]]
"""The coefficients of each segment's polynomial in r, the constant first."""


def lanes_of_lookup(target: Target) -> int:
    """Return how many float32 are looked up at a time: as many as the target's vectors have, if the host can."""
    for lanes, (feature, _) in SHUFFLES.items():
        if target.x86 and target.lanes >= lanes and host_has(feature):
            return lanes
    return min(target.lanes, LANES)


class Segments(Lanes):
    """Emits arithmetic on so many float32 at a time, among it odd functions by their tables."""

    def __init__(self, builder: Any, count: int) -> None:
        super().__init__(builder, "float32", count)
        self.integers = I32 if count == 1 else ir.VectorType(I32, count)

    def whole(self, value: int) -> Any:
        """Return a whole number in all lanes."""
        return ir.Constant(self.integers, value if self.count == 1 else [value] * self.count)

    def bits(self, x: Any) -> Any:
        """Return numbers as bits."""
        return self.builder.bitcast(x, self.integers)

    def numbers(self, bits: Any) -> Any:
        """Return bits as numbers."""
        return self.builder.bitcast(bits, self.type)

    def magnitude(self, x: Any) -> Any:
        """Return |x|."""
        return self.numbers(self.builder.and_(self.bits(x), self.whole(SIGN - 1)))

    def with_sign_of(self, x: Any, value: Any) -> Any:
        """Return a number that isn't negative with the sign of x."""
        return self.numbers(self.builder.or_(self.bits(value), self.builder.and_(self.bits(x), self.whole(SIGN))))

    def store(self, value: Any, pointer: Any, i: Any) -> None:
        """Store the entries from the i-th on."""
        place = self.builder.bitcast(self.builder.gep(pointer, [i]), self.type.as_pointer())
        self.builder.store(value, place, align=self.bytes)

    def of_magnitude(self, table: Table, magnitude: Any) -> Any:
        """Return f(|x|); NaN gives NaN."""
        builder, end, per_unit = self.builder, self.constant((SEGMENTS - 1) * WIDTH), self.constant(1 / WIDTH)
        within = builder.select(builder.fcmp_ordered(">", magnitude, end), end, magnitude)
        shifted = self.multiply_add(within, per_unit, self.constant(ROUND))
        middle = builder.fsub(shifted, self.constant(ROUND))
        r = self.multiply_add(within, per_unit, builder.fneg(middle))
        terms = self.coefficients(table, self.bits(shifted))
        value = terms.pop()
        while terms:
            value = self.multiply_add(value, r, terms.pop())
        return value

    def coefficients(self, table: Table, segment: Any) -> list[Any]:
        """Return each coefficient, in each lane that of its segment: the lowest four bits of `segment`."""
        if self.count in SHUFFLES:
            return [self.shuffled(column, segment) for column in zip(*table, strict=True)]
        kind = ir.ArrayType(self.scalar, ROW)
        rows = [ir.Constant(kind, [*row, *[0.0] * (ROW - len(row))]) for row in table]
        stored = cgutils.global_constant(self.builder, "segments", ir.Constant(ir.ArrayType(kind, SEGMENTS), rows))
        places = self.builder.and_(segment, self.whole(SEGMENTS - 1))
        if self.count == 1:
            return [self.builder.load(self.row_at(stored, places, i)) for i in range(len(table[0]))]
        lanes = [self.builder.extract_element(places, I32(i)) for i in range(LANES)]
        return [*self.four_of(stored, lanes, 0), *self.four_of(stored, lanes, LANES)][: len(table[0])]

    def shuffled(self, column: Sequence[float], segment: Any) -> Any:
        """Take each lane's own number out of one register, or out of two: by the lowest bits, and the one above."""
        kind = ir.FunctionType(self.type, [self.type, self.integers])
        shuffle = cgutils.get_or_insert_function(self.builder.module, kind, f"llvm.x86.{SHUFFLES[self.count][1]}")
        parts = [column[first : first + self.count] for first in range(0, SEGMENTS, self.count)]
        taken = [self.builder.call(shuffle, [ir.Constant(self.type, list(part)), segment]) for part in parts]
        if len(taken) == 1:
            return taken[0]
        is_upper = self.builder.icmp_signed("!=", self.builder.and_(segment, self.whole(self.count)), self.whole(0))
        return self.builder.select(is_upper, taken[1], taken[0])

    def row_at(self, stored: Any, place: Any, i: int) -> Any:
        """Return the address of a segment's i-th coefficient."""
        return self.builder.gep(stored, [I64(0), self.builder.zext(place, I64), I64(i)])

    def four_of(self, stored: Any, places: list[Any], first: int) -> list[Any]:
        """Return four coefficients of each of the four lanes: their rows from memory, transposed."""
        vector = self.type.as_pointer()
        rows = [self.builder.bitcast(self.row_at(stored, place, first), vector) for place in places]
        rows = [self.builder.load(row, align=self.bytes) for row in rows]
        for _ in range(2):
            pairs = (rows[0], rows[2]), (rows[1], rows[3])
            rows = [self.builder.shuffle_vector(*pair, half) for pair in pairs for half in HALVES]
        return rows


def each_entry(builder: Any, lanes: int, count: Any, emit: Callable[[Segments, Any], None]) -> None:
    """Emit the loops over entries: so many lanes at a time, then one by one. Calls emit(segments, i) for each."""
    first: Any = I64(0)
    for width in sorted({lanes, 1}, reverse=True):
        last = builder.and_(count, I64(-width))
        with cgutils.for_range_slice(builder, first, last, I64(width), I64) as (i, _):
            emit(Segments(builder, width), i)
        first = last
