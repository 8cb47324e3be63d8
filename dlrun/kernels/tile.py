"""The register tile that every matrix product, convolution and recurrent product is made of.

    c[r, n] = max(initial[r, n] + sum_o sum_k a[o*a_outer + r*a_row + k*a_k] * b[o*b_outer + k*b_k + n], floor)

for r < rows, n < columns, with rows ≤ tile_rows and columns ≤ tile_columns. The sums stay in registers over both
loops. `initial` with row stride c_row and the address of c accumulates; with stride 0 it is a bias row (or zeros).
`floor` is -inf, or 0 for a fused ReLU; NaN passes through. All strides count elements.

`descend` takes a `rate` in the place of the floor and steps down the gradient that it has just made:

    c[r, n] -= rate * (initial[r, n] + sum_o sum_k a[..] * b[..])

`listed_row` and `descend_listed_row` sum over the terms k = index[0], index[1], .. index[n_k - 1] alone, for a row of a
whose other terms are zero, and up to 8 vectors of columns: as many sums as two units for multiply-adds of latency 4
need to be busy.

    dense forward            rows: samples          inner: inputs          outer: 1
    dense weight gradient    rows: inputs           inner: samples         outer: 1
    conv forward             rows: pixels of a row  inner: (kx, ci)        outer: ky
    conv input gradient      the same, on padded dy with flipped weights
    conv weight gradient     rows: (kx, ci)         inner: pixels of a row outer: image rows

Every output element is one lane's own chain of fused multiply-adds in the order o, k; so its bits depend neither on
the lane count, nor on which rows share its tile, nor on threads.

Edges: row addresses beyond `rows` repeat the last row, columns beyond `columns` are computed from whatever lies
there and never stored. So b and initial must be readable one vector past their end (buffers of a plan are).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from dlrun.kernels.pipeline import linked
from dlrun.kernels.target import Target

I1, I32, I64 = ir.IntType(1), ir.IntType(32), ir.IntType(64)
ROWS, VECTORS = 6, 2
"""The shape for x86: 6 x 2 sums, 2 columns and 1 broadcast fill 15 registers. Twice as many rows fill 31 of the 32 that
AVX-512 has, and gain nothing in the loop; but what comes before and behind it no longer overlaps with it."""
SMALL_ROWS = 4
"""The rows of the smaller tile: 4 x 2 sums are what two units for multiply-adds of latency 4 need to be busy."""
ARGUMENTS = (
    "a", "a_row", "a_k", "a_outer", "b", "b_k", "b_outer", "initial", "initial_row", "c", "c_row", "n_k", "n_outer",
    "rows", "columns", "floor",
)  # fmt: skip
LISTED_ARGUMENTS = ("a", "a_k", "b", "b_k", "index", "initial", "c", "n_k", "columns", "floor")
"""A listed tile has a single row and no outer loop. `index` is the address of int32."""


def tile_rows(target: Target) -> int:
    """Return the rows of a full tile. ARM has up to four units for multiply-adds, which need 16 sums to be busy."""
    return ROWS if target.x86 else 2 * ROWS


def middle_tile_rows(target: Target) -> int:
    """Return the rows of a tile that is full on x86, and half as large as a full one elsewhere."""
    return ROWS


def small_tile_rows(target: Target) -> int:
    """Return the rows of the smaller tile."""
    return SMALL_ROWS


def tile_columns(target: Target) -> int:
    """Return the columns of a full tile."""
    return VECTORS * target.lanes


def tile_name(target: Target, rows: int, vectors: int, descends: bool, listed: bool = False) -> str:
    """Return the name of a tile's LLVM function."""
    kind = f"{'listed_' if listed else ''}{'descend' if descends else 'tile'}"
    return f"{kind}_{rows}x{vectors}_{target.precision}"


class _Tile:
    """Builds the LLVM function of one tile shape: `rows` by `vectors` registers of sums, stored or descended."""

    def __init__(
        self, module: ir.Module, target: Target, rows: int, vectors: int, descends: bool, listed: bool = False
    ) -> None:
        self.rows, self.vectors, self.lanes, self.descends = rows, vectors, target.lanes, descends
        self.scalar = ir.FloatType() if target.precision == "float32" else ir.DoubleType()
        self.vector = ir.VectorType(self.scalar, self.lanes)
        self.bytes = 4 if target.precision == "float32" else 8
        self.module = module
        names = LISTED_ARGUMENTS if listed else ARGUMENTS
        kind = ir.FunctionType(ir.VoidType(), [I64] * (len(names) - 1) + [self.scalar])
        self.function = ir.Function(module, kind, tile_name(target, rows, vectors, descends, listed))
        self.function.linkage = "internal"
        self.function.attributes.add("noinline")
        for argument, name in zip(self.function.args, names, strict=True):
            argument.name = name
        once = dict.fromkeys(("a_row", "a_outer", "b_outer", "initial_row", "c_row"), I64(0))
        once |= {"n_outer": I64(1), "rows": I64(1), "index": None}
        self.given = SimpleNamespace(**once | dict(zip(names, self.function.args, strict=True)))
        self.builder = ir.IRBuilder(self.function.append_basic_block("entry"))
        self.places = [(i, j) for i in range(rows) for j in range(vectors)]
        self.build()

    def vector_at(self, base: Any, index: Any) -> Any:
        """Return the address of a vector."""
        return self.builder.bitcast(self.builder.gep(base, [index]), self.vector.as_pointer())

    def load(self, base: Any, j: int) -> Any:
        """Return the j-th vector from an address, of any alignment."""
        return self.builder.load(self.vector_at(base, I64(j * self.lanes)), align=self.bytes)

    def row_addresses(self, base: Any, stride: Any) -> list[Any]:
        """Return each row's address; rows beyond the last repeat it."""
        builder, last, result = self.builder, self.builder.sub(self.given.rows, I64(1)), []
        for i in range(self.rows):
            row = builder.select(builder.icmp_signed("<", I64(i), last), I64(i), last)
            result.append(builder.gep(base, [builder.mul(row, stride)]))
        return result

    def build(self) -> None:
        """Emit start values, the two loops, and the stores."""
        builder = self.builder
        pointer = self.scalar.as_pointer()
        given = self.given
        a, b, c, initial = (builder.inttoptr(x, pointer) for x in (given.a, given.b, given.c, given.initial))
        c_rows = self.row_addresses(c, self.given.c_row)
        start_rows = self.row_addresses(initial, self.given.initial_row)
        start = [self.load(start_rows[i], j) for i, j in self.places]
        a_offsets = self.row_addresses(a, self.given.a_row)
        entry = builder.block
        outer_block, inner_block, next_block, done_block = (
            builder.append_basic_block(name) for name in ("outer", "inner", "next", "done")
        )
        builder.branch(outer_block)

        builder.position_at_end(outer_block)
        outer = builder.phi(I64)
        outer.add_incoming(I64(0), entry)
        outer_sums = [builder.phi(self.vector) for _ in self.places]
        for phi, value in zip(outer_sums, start, strict=True):
            phi.add_incoming(value, entry)
        a_shift = builder.mul(outer, self.given.a_outer)
        a_rows = [builder.gep(row, [a_shift]) for row in a_offsets]
        b_here = builder.gep(b, [builder.mul(outer, self.given.b_outer)])
        builder.branch(inner_block)

        builder.position_at_end(inner_block)
        k = builder.phi(I64)
        k.add_incoming(I64(0), outer_block)
        sums = [builder.phi(self.vector) for _ in self.places]
        for phi, value in zip(sums, outer_sums, strict=True):
            phi.add_incoming(value, outer_block)
        new = self.multiply_add(a_rows, b_here, k, sums)
        k_next = builder.add(k, I64(1))
        k.add_incoming(k_next, inner_block)
        for phi, value in zip(sums, new, strict=True):
            phi.add_incoming(value, inner_block)
        builder.cbranch(builder.icmp_signed("<", k_next, self.given.n_k), inner_block, next_block)

        builder.position_at_end(next_block)
        outer_next = builder.add(outer, I64(1))
        outer.add_incoming(outer_next, next_block)
        for phi, value in zip(outer_sums, new, strict=True):
            phi.add_incoming(value, next_block)
        builder.cbranch(builder.icmp_signed("<", outer_next, self.given.n_outer), outer_block, done_block)

        builder.position_at_end(done_block)
        self.store(c_rows, self.descended(c_rows, new) if self.descends else self.above_floor(new))

    @property
    def fma(self) -> Any:
        """LLVM's fused multiply-add of vectors."""
        kind = ir.FunctionType(self.vector, [self.vector] * 3)
        name = f"llvm.fma.v{self.lanes}f{8 * self.bytes}"
        return cgutils.get_or_insert_function(self.module, kind, name)

    def multiply_add(self, a_rows: list[Any], b_here: Any, k: Any, sums: list[Any]) -> list[Any]:
        """Emit one step of the inner loop: broadcast each row's a, multiply with the columns of b, add."""
        builder, fma = self.builder, self.fma
        if self.given.index is not None:
            index = builder.inttoptr(self.given.index, I32.as_pointer())
            k = builder.sext(builder.load(builder.gep(index, [k])), I64)
        a_offset, b_row = builder.mul(k, self.given.a_k), builder.gep(b_here, [builder.mul(k, self.given.b_k)])
        columns = [self.load(b_row, j) for j in range(self.vectors)]
        new = []
        for i, row in enumerate(a_rows):
            broadcast = self.splat(builder.load(builder.gep(row, [a_offset])))
            for j in range(self.vectors):
                new.append(builder.call(fma, [broadcast, columns[j], sums[i * self.vectors + j]]))
        return new

    def splat(self, scalar: Any) -> Any:
        """Return a vector whose lanes all hold the scalar."""
        undefined = ir.Constant(self.vector, ir.Undefined)
        zeros = ir.Constant(ir.VectorType(I32, self.lanes), [0] * self.lanes)
        one = self.builder.insert_element(undefined, scalar, I32(0))
        return self.builder.shuffle_vector(one, undefined, zeros)

    def above_floor(self, values: list[Any]) -> list[Any]:
        """Return max(value, floor) that lets NaN pass: floor only where floor > value. Skipped if the floor is -inf."""
        builder, unbounded = self.builder, self.builder.block
        bounded, end = builder.append_basic_block("bounded"), builder.append_basic_block("end")
        is_bounded = builder.fcmp_ordered(">", self.given.floor, ir.Constant(self.scalar, -math.inf))
        builder.cbranch(is_bounded, bounded, end)
        builder.position_at_end(bounded)
        floor = self.splat(self.given.floor)
        above = [builder.select(builder.fcmp_ordered(">", floor, value), floor, value) for value in values]
        builder.branch(end)
        builder.position_at_end(end)
        results = [builder.phi(self.vector) for _ in values]
        for phi, value, bounded_value in zip(results, values, above, strict=True):
            phi.add_incoming(value, unbounded)
            phi.add_incoming(bounded_value, bounded)
        return results

    def descended(self, c_rows: list[Any], values: list[Any]) -> list[Any]:
        """Return c - rate * value."""
        minus_rate = self.splat(self.builder.fneg(self.given.floor))
        old = [self.load(c_rows[i], j) for i, j in self.places]
        return [self.builder.call(self.fma, [minus_rate, *pair]) for pair in zip(values, old, strict=True)]

    def store(self, c_rows: list[Any], values: list[Any]) -> None:
        """Store the rows that are valid; whole vectors where all columns are, else masked."""
        builder = self.builder
        full = builder.icmp_signed(">=", self.given.columns, I64(self.vectors * self.lanes))
        full_block, edge_block, end_block = (builder.append_basic_block(n) for n in ("full", "edge", "end"))
        builder.cbranch(full, full_block, edge_block)
        builder.position_at_end(full_block)
        self.store_rows(
            values, c_rows, lambda value, place, j: builder.store(value, place, align=self.bytes), end_block
        )
        builder.position_at_end(edge_block)
        suffix = f"v{self.lanes}f{8 * self.bytes}"
        mask_type = ir.VectorType(I1, self.lanes)
        kind = ir.FunctionType(ir.VoidType(), [self.vector, self.vector.as_pointer(), I32, mask_type])
        masked = cgutils.get_or_insert_function(self.module, kind, f"llvm.masked.store.{suffix}.p0")
        wide = ir.VectorType(I64, self.lanes)
        limit = self.splat_integer(self.given.columns, wide)
        masks = [
            builder.icmp_signed("<", ir.Constant(wide, [j * self.lanes + lane for lane in range(self.lanes)]), limit)
            for j in range(self.vectors)
        ]
        alignment = I32(self.bytes)
        self.store_rows(
            values, c_rows, lambda value, place, j: builder.call(masked, [value, place, alignment, masks[j]]), end_block
        )
        builder.position_at_end(end_block)
        builder.ret_void()

    def splat_integer(self, scalar: Any, kind: Any) -> Any:
        """Return a vector of integers whose lanes all hold the scalar."""
        undefined = ir.Constant(kind, ir.Undefined)
        zeros = ir.Constant(ir.VectorType(I32, self.lanes), [0] * self.lanes)
        one = self.builder.insert_element(undefined, scalar, I32(0))
        return self.builder.shuffle_vector(one, undefined, zeros)

    def store_rows(self, values: list[Any], c_rows: list[Any], store: Any, end_block: Any) -> None:
        """Emit store(value, address, column's vector) row by row, leaving after the last valid row."""
        builder = self.builder
        for i in range(self.rows):
            for j in range(self.vectors):
                store(values[i * self.vectors + j], self.vector_at(c_rows[i], I64(j * self.lanes)), j)
            if i + 1 < self.rows:
                following = builder.append_basic_block(f"row{i + 1}")
                builder.cbranch(builder.icmp_signed("<", I64(i + 1), self.given.rows), following, end_block)
                builder.position_at_end(following)
        builder.branch(end_block)


def _code(target: Target, rows: int, vectors: int, descends: bool, listed: bool = False) -> Callable[..., Any]:
    """Return what emits the call of a tile's function, and the function where the module hasn't got it yet."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        function = builder.module.globals.get(tile_name(target, rows, vectors, descends, listed))
        if function is None:
            function = _Tile(builder.module, target, rows, vectors, descends, listed).function
        addresses = [
            builder.ptrtoint(value, I64) if isinstance(kind, types.CPointer) else value
            for value, kind in zip(args, sig.args, strict=True)
        ]
        builder.call(function, addresses)
        return context.get_dummy_value()

    return codegen


@cache
def _tile(target: Target, rows: int, vectors: int, descends: bool) -> Any:
    scalar = types.float32 if target.precision == "float32" else types.float64

    @intrinsic
    def call(  # type: ignore[no-untyped-def]
        typingctx, a, a_row, a_k, a_outer, b, b_k, b_outer, initial, initial_row, c, c_row, n_k, n_outer,
        rows_valid, columns, floor,
    ):  # fmt: skip
        pointers = (a, b, initial, c)
        if not all(isinstance(kind, types.CPointer) for kind in pointers):
            return None
        order = [a, *[types.int64] * 3, b, *[types.int64] * 2, initial, types.int64, c, *[types.int64] * 5, scalar]
        return types.void(*order), _code(target, rows, vectors, descends)

    return call


@cache
def _listed(target: Target, vectors: int, descends: bool) -> Any:
    scalar = types.float32 if target.precision == "float32" else types.float64

    @intrinsic
    def call(typingctx, a, a_k, b, b_k, index, initial, c, n_k, columns, floor):  # type: ignore[no-untyped-def]
        if not all(isinstance(kind, types.CPointer) for kind in (a, b, index, initial, c)):
            return None
        order = [a, types.int64, b, types.int64, index, initial, c, types.int64, types.int64, scalar]
        return types.void(*order), _code(target, 1, vectors, descends, listed=True)

    return call


@cache
def tile(target: Target) -> Any:
    """Return tile(...) over pointers, with the arguments of ARGUMENTS."""
    return _of_any_shape(target, descends=False)


@cache
def descend(target: Target) -> Any:
    """Return descend(...) over pointers, with the arguments of ARGUMENTS, and the rate in the floor's place."""
    return _of_any_shape(target, descends=True)


@cache
def listed_row(target: Target) -> Any:
    """Return listed_row(...) over pointers, with the arguments of LISTED_ARGUMENTS."""
    return _of_any_width(target, descends=False)


@cache
def descend_listed_row(target: Target) -> Any:
    """Return descend_listed_row(...), the same with the rate in the floor's place."""
    return _of_any_width(target, descends=True)


def _of_any_width(target: Target, descends: bool) -> Any:
    """Return the function that picks the width of a listed row."""
    lanes, (eight, four, two, one) = target.lanes, (_listed(target, count, descends) for count in (8, 4, 2, 1))

    @linked()
    def call(a, a_k, b, b_k, index, initial, c, n_k, columns, floor):  # type: ignore[no-untyped-def]
        if columns > 4 * lanes:
            eight(a, a_k, b, b_k, index, initial, c, n_k, columns, floor)
        elif columns > 2 * lanes:
            four(a, a_k, b, b_k, index, initial, c, n_k, columns, floor)
        elif columns > lanes:
            two(a, a_k, b, b_k, index, initial, c, n_k, columns, floor)
        else:
            one(a, a_k, b, b_k, index, initial, c, n_k, columns, floor)

    return call


def _of_any_shape(target: Target, descends: bool) -> Any:
    """Return the function that picks the smallest shape that holds the tile."""
    most, lanes = tile_rows(target), target.lanes
    full, middle, short = (_tile(target, count, VECTORS, descends) for count in (most, ROWS, SMALL_ROWS))
    narrow = _tile(target, most, 1, descends)

    @linked()
    def call(  # type: ignore[no-untyped-def]
        a, a_row, a_k, a_outer, b, b_k, b_outer, initial, initial_row, c, c_row, n_k, n_outer, rows, columns, floor
    ):
        if columns <= lanes:
            narrow(
                a, a_row, a_k, a_outer, b, b_k, b_outer, initial, initial_row, c, c_row, n_k, n_outer,
                rows, columns, floor,
            )  # fmt: skip
        elif rows <= SMALL_ROWS:
            short(
                a, a_row, a_k, a_outer, b, b_k, b_outer, initial, initial_row, c, c_row, n_k, n_outer,
                rows, columns, floor,
            )  # fmt: skip
        elif rows <= ROWS:
            middle(
                a, a_row, a_k, a_outer, b, b_k, b_outer, initial, initial_row, c, c_row, n_k, n_outer,
                rows, columns, floor,
            )  # fmt: skip
        else:
            full(
                a, a_row, a_k, a_outer, b, b_k, b_outer, initial, initial_row, c, c_row, n_k, n_outer,
                rows, columns, floor,
            )  # fmt: skip

    return call
