"""LLVM functions over patches of vectors: small matrices of places, each with the entries of many channels.

Written out, not left to LLVM's vectoriser, which would have to prove that dozens of streams don't overlap. Imported
only when a kernel is compiled.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import reduce
from types import SimpleNamespace
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from dlrun.kernels.target import Target

I8, I32, I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
PATCH = 6
"""The most entries of a patch in each direction."""
SOURCE = {"source": "real*", "source_row": "size", "source_place": "size", "source_next": "size"}
"""A patch's first entry, and how far it is to the next row, to the next place of a row, and to the next patch."""
TARGET = {"target": "real*", "target_row": "size", "target_place": "size", "target_next": "size"}
THERE = {"rows_there": "size", "places_there": "size"}
"""How many rows of a target and places of a row are there: 1 or more; the others aren't written."""
RANGE = {"columns": "size", "count": "size"}
"""The vectorised entries of each place, and the patches."""


class Patches:
    """Builds an LLVM function that goes over `count` patches and over their columns, a vector at a time.

    `body` emits what is done with a vector of a patch.
    """

    def __init__(self, module: ir.Module, target: Target, name: str, parameters: Mapping[str, str], body: Body) -> None:
        self.lanes, self.bytes = target.lanes, 4 if target.precision == "float32" else 8
        self.scalar = ir.FloatType() if target.precision == "float32" else ir.DoubleType()
        self.vector = ir.VectorType(self.scalar, self.lanes)
        kinds = {"real*": self.scalar.as_pointer(), "byte*": I8.as_pointer(), "size": I64, "real": self.scalar}
        kind = ir.FunctionType(ir.VoidType(), [kinds[p] for p in parameters.values()])
        self.function = ir.Function(module, kind, name)
        self.function.linkage = "internal"
        self.function.attributes.add("noinline")
        self.function.attributes.alignstack = self.lanes * self.bytes
        self.given = SimpleNamespace(**dict(zip(parameters, self.function.args, strict=True)))
        self.builder = ir.IRBuilder(self.function.append_basic_block("entry"))
        self.steps = {name: self.steps_of(name) for name in parameters if name.endswith(("_row", "_place"))}
        self.emit_loops(body)

    def emit_loops(self, body: Body) -> None:
        """Emit both loops around the body; `tile` and `column` are their places."""
        builder, entry = self.builder, self.builder.block
        tile_block, column_block, next_block, done_block = (
            builder.append_basic_block(name) for name in ("tile", "column", "next", "done")
        )
        last = builder.sub(self.given.columns, I64(self.lanes))
        builder.branch(tile_block)
        builder.position_at_end(tile_block)
        self.tile = builder.phi(I64)
        self.tile.add_incoming(I64(0), entry)
        builder.branch(column_block)
        builder.position_at_end(column_block)
        first = builder.phi(I64)
        first.add_incoming(I64(0), tile_block)
        self.column = builder.select(builder.icmp_signed("<", first, last), first, last)
        body(self)
        following = builder.add(first, I64(self.lanes))
        first.add_incoming(following, column_block)
        builder.cbranch(builder.icmp_signed("<", following, self.given.columns), column_block, next_block)
        builder.position_at_end(next_block)
        following = builder.add(self.tile, I64(1))
        self.tile.add_incoming(following, next_block)
        builder.cbranch(builder.icmp_signed("<", following, self.given.count), tile_block, done_block)
        builder.position_at_end(done_block)
        builder.ret_void()

    def place(self, name: str, following: Any) -> Any:
        """Return the address of the running column of the running patch, at the start of an array of patches."""
        builder = self.builder
        return builder.gep(builder.gep(getattr(self.given, name), [builder.mul(self.tile, following)]), [self.column])

    def places(self, name: str, size: int) -> list[list[Any]]:
        """Return the addresses of a patch's entries in the running column."""
        start = self.place(name, getattr(self.given, f"{name}_next"))
        rows = [self.builder.gep(start, [step]) for step in self.steps[f"{name}_row"][:size]]
        return [[self.builder.gep(row, [step]) for step in self.steps[f"{name}_place"][:size]] for row in rows]

    def load(self, place: Any) -> Any:
        """Return the vector at an address, of any alignment."""
        return self.builder.load(self.builder.bitcast(place, self.vector.as_pointer()), align=self.bytes)

    def store(self, value: Any, place: Any) -> None:
        """Store a vector at an address, of any alignment."""
        self.builder.store(value, self.builder.bitcast(place, self.vector.as_pointer()), align=self.bytes)

    def columns(self, name: str) -> Iterator[Line]:
        """Return the columns of a patch, whose entries are loaded each time that they are asked for."""
        for places in zip(*self.places(name, PATCH), strict=True):
            yield Loaded(self, places)

    def store_rows(self, rows: Iterable[tuple[int, Line]], name: str) -> None:
        """Store rows of a patch, each as it comes.

        Places that aren't there have the address of the last one that is, and are written over.
        """
        places = self.places(name, PATCH)
        for i, values in rows:
            for value, place in reversed(list(zip(values, places[i], strict=False))):
                self.store(value, place)

    def sandwich(self, parts: Parts, columns: Callable[[], Iterable[Line]]) -> Iterator[tuple[int, Line]]:
        """Return the rows of M P Mᵀ and their numbers, the last first, each computed when it is asked for.

        For each part of M the columns are loaded anew, so that no more is alive than registers hold: to keep vectors
        on the stack costs more, since storing is what a transform waits for.
        """
        for rows, part in reversed(parts):
            left = [part(self, column) for column in columns()]
            for i, row in reversed(list(zip(rows, zip(*left, strict=True), strict=True))):
                yield i, self.line(parts, row)

    def line(self, parts: Parts, values: Line) -> list[Any]:
        """Return M times a column."""
        rows = {i: value for numbers, part in parts for i, value in zip(numbers, part(self, values), strict=True)}
        return [rows[i] for i in sorted(rows)]

    def steps_of(self, name: str) -> list[Any]:
        """Return how far it is to each row, or to each place of a row; no further than to the last that is there."""
        there = {"target_row": "rows_there", "target_place": "places_there"}.get(name, "")
        numbers = [I64(i) for i in range(PATCH)]
        if there in vars(self.given):
            last = self.builder.sub(getattr(self.given, there), I64(1))
            numbers = [self.builder.select(self.builder.icmp_signed("<", i, last), i, last) for i in numbers]
        return [self.builder.mul(getattr(self.given, name), i) for i in numbers]

    def times(self, factor: float, x: Any) -> Any:
        """Return a multiple of a vector."""
        return self.builder.fmul(ir.Constant(self.vector, [factor] * self.lanes), x)

    def plus(self, *terms: Any) -> Any:
        """Return the sum of vectors, from the left."""
        return reduce(self.builder.fadd, terms)

    def fma(self, factor: float, x: Any, y: Any) -> Any:
        """Return factor x + y, rounded once."""
        return self.call("fma", ir.Constant(self.vector, [factor] * self.lanes), x, y)

    def call(self, name: str, *given: Any) -> Any:
        """Return what an intrinsic of LLVM makes of vectors."""
        kind = ir.FunctionType(self.vector, [self.vector] * len(given))
        full = f"llvm.{name}.v{self.lanes}f{8 * self.bytes}"
        return self.builder.call(cgutils.get_or_insert_function(self.function.module, kind, full), given)

    def splat(self, value: Any) -> Any:
        """Return a vector whose lanes all hold a number."""
        zeros = ir.Constant(ir.VectorType(I32, self.lanes), [0] * self.lanes)
        one = self.builder.insert_element(ir.Constant(self.vector, ir.Undefined), value, I32(0))
        return self.builder.shuffle_vector(one, ir.Constant(self.vector, ir.Undefined), zeros)

    def above_floor(self, value: Any) -> Any:
        """Return max(value, floor) that lets NaN pass."""
        floor = self.splat(self.given.floor)
        return self.builder.select(self.builder.fcmp_ordered(">", floor, value), floor, value)

    def whole(self, number: int) -> Any:
        """Return a vector of small whole numbers."""
        return ir.Constant(ir.VectorType(I32, self.lanes), [number] * self.lanes)


class Loaded:
    """The vectors at some addresses, loaded when they are asked for."""

    def __init__(self, transform: Patches, places: Sequence[Any]) -> None:
        self.transform, self.places = transform, places

    def __getitem__(self, i: int) -> Any:
        return self.transform.load(self.places[i])


class Sizes(Loaded):
    """Their absolute values."""

    def __getitem__(self, i: int) -> Any:
        return self.transform.call("fabs", super().__getitem__(i))


Line = Any
"""What gives a vector for a number: a sequence, or vectors that are loaded when they are asked for."""
Part = Callable[[Patches, Line], list[Any]]
"""Some rows of a matrix times a column."""
Parts = Sequence[tuple[Sequence[int], Part]]
"""All rows of a matrix, as parts that need no more than 16 registers for six columns."""
Body = Callable[[Patches], None]


def primitive(target: Target, name: str, parameters: Mapping[str, str], body: Body) -> Any:
    """Return the function that kernels call, with `parameters` by their names and kinds."""
    real = types.float32 if target.precision == "float32" else types.float64
    kinds = {"real*": types.CPointer(real), "byte*": types.CPointer(types.uint8), "size": types.int64, "real": real}
    full = f"{name}_{target.precision}"

    def call(typingctx: Any, *given: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            function = builder.module.globals.get(full)
            if function is None:
                function = Patches(builder.module, target, full, parameters, body).function
            builder.call(function, args)
            return context.get_dummy_value()

        return types.void(*(kinds[kind] for kind in parameters.values())), codegen

    names = ["typingctx", *parameters]
    call.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # Numba asks how many arguments there are
        [inspect.Parameter(n, inspect.Parameter.POSITIONAL_OR_KEYWORD) for n in names]
    )
    return intrinsic(call)
