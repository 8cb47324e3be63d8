"""Builds the LLVM functions of register tiles: what they compute, `dlrun.kernels.tile` says."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Literal

from llvmlite import ir
from numba.core import cgutils

from dlrun.kernels.target import Target

I1, I32, I64 = ir.IntType(1), ir.IntType(32), ir.IntType(64)
Kind = Literal["tile", "tile_from", "descend", "listed_tile", "listed_descend"]
ARGUMENTS = (
    "a", "a_row", "a_k", "a_outer", "b", "b_k", "b_outer", "initial", "initial_row", "c", "c_row", "n_k", "n_outer",
    "rows", "columns", "floor",
)  # fmt: skip
LISTED_ARGUMENTS = ("a", "a_k", "b", "b_k", "index", "initial", "c", "n_k", "columns", "floor")
"""A listed tile has a single row and no outer loop. `index` is the address of int32."""


def tile_name(target: Target, rows: int, vectors: int, kind: Kind) -> str:
    """Return the name of a tile's LLVM function."""
    return f"{kind}_{rows}x{vectors}_{target.precision}"


class Tile:
    """Builds the LLVM function of one tile shape: `rows` by `vectors` registers of sums, stored or descended."""

    def __init__(self, module: ir.Module, target: Target, rows: int, vectors: int, kind: Kind) -> None:
        self.rows, self.vectors, self.lanes, self.kind = rows, vectors, target.lanes, kind
        self.scalar = ir.FloatType() if target.precision == "float32" else ir.DoubleType()
        self.vector = ir.VectorType(self.scalar, self.lanes)
        self.bytes = 4 if target.precision == "float32" else 8
        self.module = module
        names = LISTED_ARGUMENTS if kind.startswith("listed") else ARGUMENTS
        signature = ir.FunctionType(ir.VoidType(), [I64] * (len(names) - 1) + [self.scalar])
        self.function = ir.Function(module, signature, tile_name(target, rows, vectors, kind))
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

    def row_addresses(self, base: Any, distance: Callable[[Any], Any]) -> list[Any]:
        """Return each row's address, at its distance from the base; rows beyond the last repeat it."""
        builder, last, result = self.builder, self.builder.sub(self.given.rows, I64(1)), []
        for i in range(self.rows):
            row = builder.select(builder.icmp_signed("<", I64(i), last), I64(i), last)
            result.append(builder.gep(base, [distance(row)]))
        return result

    def times(self, stride: Any) -> Callable[[Any], Any]:
        """Return the distances of rows that are a stride apart."""
        return lambda row: self.builder.mul(row, stride)

    def listed_at(self, places: Any) -> Callable[[Any], Any]:
        """Return the distances that stand in a list of int64."""
        list_of_places = self.builder.inttoptr(places, I64.as_pointer())
        return lambda row: self.builder.load(self.builder.gep(list_of_places, [row]))

    def build(self) -> None:
        """Emit start values, the two loops, and the stores."""
        builder = self.builder
        pointer = self.scalar.as_pointer()
        given = self.given
        a, b, c, initial = (builder.inttoptr(x, pointer) for x in (given.a, given.b, given.c, given.initial))
        c_rows = self.row_addresses(c, self.times(given.c_row))
        starts_at = self.listed_at if self.kind == "tile_from" else self.times
        start_rows = self.row_addresses(initial, starts_at(given.initial_row))
        start = [self.load(start_rows[i], j) for i, j in self.places]
        a_offsets = self.row_addresses(a, self.times(given.a_row))
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
        self.store(c_rows, self.descended(c_rows, new) if self.kind.endswith("descend") else self.above_floor(new))

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
