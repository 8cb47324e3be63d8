"""Winograd's transforms on LLVM vectors: of images, filters, products and gradients, vectorised over the channels.

A transform takes patches P (size, size) of vectors to M P Mᵀ, with one of the matrices of F(2x2, 3x3), in the variant
that needs no negation (A. Lavin and S. Gray, "Fast Algorithms for Convolutional Neural Networks", 2016, section 4.1;
S. Winograd, "Arithmetic Complexity of Computations", 1980):

    Y = Aᵀ [(G g Gᵀ) * (Bᵀ d B)] A        d (4, 4) a patch of the image, g (3, 3) the filter, Y (2, 2)
    dg = Gᵀ [(Bᵀ d B) * (A dY Aᵀ)] G      its transpose, F(3x3, 2x2)

Imported only when a kernel is compiled. LLVM's own vectoriser refuses such loops: 16 streams are read and 16 written,
and it can't know that they don't overlap. `columns` is at least the number of lanes: where it is no multiple of it,
the last vector overlaps the one before, so that no entry outside is touched.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import SimpleNamespace
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from dlrun.kernels.target import Target

I8, I32, I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
Matrix = tuple[tuple[float, ...], ...]
Patch = list[list[Any]]
IMAGE: Matrix = ((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, -1, 0, 1))
"""Bᵀ"""
FILTER: Matrix = ((1, 0, 0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0, 0, 1))
"""G"""
OUTPUT: Matrix = ((1, 1, 1, 0), (0, 1, -1, 1))
"""Aᵀ"""
NOBODY = 255
"""As in `dlrun.kernels.convolution_pool`."""
SOURCE = {"source": "real*", "source_row": "size", "source_place": "size", "source_next": "size"}
"""A patch's first entry, and how far it is to the next row, to the next place of a row, and to the next patch."""
TARGET = {"target": "real*", "target_row": "size", "target_place": "size", "target_next": "size"}
ROUNDING = {4: 2.0**-21, 8: 2.0**-50}
"""Four units in the last place of one, by the bytes of a real."""
RANGE = {"columns": "size", "count": "size"}
"""The vectorised entries of each place, and the patches."""


def transposed(matrix: Matrix) -> Matrix:
    """Return the transpose."""
    return tuple(zip(*matrix, strict=True))


class _Transform:
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
        self.given = SimpleNamespace(**dict(zip(parameters, self.function.args, strict=True)))
        self.builder = ir.IRBuilder(self.function.append_basic_block("entry"))
        self.steps = {
            name: [self.builder.mul(value, I64(i)) for i in range(4)]
            for name, value in vars(self.given).items()
            if name.endswith(("_row", "_place"))
        }
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

    def places(self, name: str, size: int) -> Patch:
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

    def load_patch(self, name: str, size: int) -> Patch:
        """Return a patch's vectors."""
        return [[self.load(place) for place in row] for row in self.places(name, size)]

    def store_patch(self, patch: Patch, name: str) -> None:
        """Store a patch's vectors, the last first: with a step of 0, what lies beyond an edge is written over."""
        for values, row in zip(reversed(patch), reversed(self.places(name, len(patch))), strict=True):
            for value, place in zip(reversed(values), reversed(row), strict=True):
                self.store(value, place)

    def sandwich(self, matrix: Matrix, patch: Patch) -> Patch:
        """Return M P Mᵀ."""
        left = [[self.combination(row, column) for column in zip(*patch, strict=True)] for row in matrix]
        return [[self.combination(row, values) for row in matrix] for values in left]

    def combination(self, factors: Sequence[float], values: Sequence[Any]) -> Any:
        """Return the sum of the values times their factors: 0, 1, -1, 0.5 or -0.5. Halves are added up first."""
        total = None
        for size in (0.5, 1.0):
            terms = [(factor < 0, value) for factor, value in zip(factors, values, strict=True) if abs(factor) == size]
            if not terms:
                continue
            (_, part), *others = sorted(terms, key=lambda term: term[0])
            for is_minus, value in others:
                part = (self.builder.fsub if is_minus else self.builder.fadd)(part, value)
            if size == 0.5:
                part = self.builder.fmul(part, ir.Constant(self.vector, [0.5] * self.lanes))
            total = part if total is None else self.builder.fadd(total, part)
        return total

    def splat(self, value: Any) -> Any:
        """Return a vector whose lanes all hold a number."""
        zeros = ir.Constant(ir.VectorType(I32, self.lanes), [0] * self.lanes)
        one = self.builder.insert_element(ir.Constant(self.vector, ir.Undefined), value, I32(0))
        return self.builder.shuffle_vector(one, ir.Constant(self.vector, ir.Undefined), zeros)

    def above_floor(self, value: Any) -> Any:
        """Return max(value, floor) that lets NaN pass."""
        floor = self.splat(self.given.floor)
        return self.builder.select(self.builder.fcmp_ordered(">", floor, value), floor, value)

    def absolute(self, patch: Patch) -> Patch:
        """Return a patch without signs."""
        kind = ir.FunctionType(self.vector, [self.vector])
        name = f"llvm.fabs.v{self.lanes}f{8 * self.bytes}"
        function = cgutils.get_or_insert_function(self.function.module, kind, name)
        return [[self.builder.call(function, [x]) for x in row] for row in patch]

    def whole(self, number: int) -> Any:
        """Return a vector of small whole numbers."""
        return ir.Constant(ir.VectorType(I32, self.lanes), [number] * self.lanes)

    def byte_place(self) -> Any:
        """Return the address of the running column of `winner`, as a vector of bytes."""
        place = self.place("winner", self.given.columns)
        return self.builder.bitcast(place, ir.VectorType(I8, self.lanes).as_pointer())


Body = Callable[[_Transform], None]


def _plain(matrix: Matrix) -> Body:
    def body(this: _Transform) -> None:
        this.store_patch(this.sandwich(matrix, this.load_patch("source", len(matrix[0]))), "target")

    return body


def _outputs(this: _Transform) -> Patch:
    """Return AᵀMA + b."""
    bias = this.load(this.builder.gep(this.given.bias, [this.column]))
    return [[this.builder.fadd(x, bias) for x in row] for row in this.sandwich(OUTPUT, this.load_patch("source", 4))]


def _store_outputs(this: _Transform) -> None:
    this.store_patch([[this.above_floor(x) for x in row] for row in _outputs(this)], "target")


def _store_largest(this: _Transform) -> None:
    """Store the largest of the four outputs, and which it is: as `larger_of_four` of `dlrun.kernels.pooling`."""
    builder = this.builder
    (best, *others), which = [x for row in _outputs(this) for x in row], this.whole(0)
    for number, value in enumerate(others, 1):
        better = builder.or_(builder.fcmp_ordered(">", value, best), builder.fcmp_unordered("uno", value, value))
        best, which = builder.select(better, value, best), builder.select(better, this.whole(number), which)
    won = builder.fcmp_ordered(">", best, this.splat(this.given.floor))
    which = builder.trunc(builder.select(won, which, this.whole(NOBODY)), ir.VectorType(I8, this.lanes))
    this.store(this.above_floor(best), this.place("target", this.given.columns))
    builder.store(which, this.byte_place(), align=1)


def _transform_routed(this: _Transform) -> None:
    """Transform patches (2, 2) that have the gradient where it won, and zero elsewhere."""
    builder, zero = this.builder, ir.Constant(this.vector, [0.0] * this.lanes)
    gradient = this.load(this.place("source", this.given.columns))
    which = builder.zext(builder.load(this.byte_place(), align=1), ir.VectorType(I32, this.lanes))
    four = [builder.select(builder.icmp_signed("==", which, this.whole(i)), gradient, zero) for i in range(4)]
    this.store_patch(this.sandwich(transposed(OUTPUT), [four[:2], four[2:]]), "target")


def _store_weights(this: _Transform) -> None:
    """Store Gᵀ M G, and zero for what is no larger than the rounding of its terms.

    An optimizer such as Adam makes steps of one size of gradients of any size. A weight whose gradient is zero, since
    its inputs and its outputs are never there together, would be moved by the rounding left over where terms cancel.
    """
    builder, terms, weights = this.builder, this.load_patch("source", 4), transposed(FILTER)
    sizes = this.sandwich(tuple(tuple(map(abs, row)) for row in weights), this.absolute(terms))
    rounding = this.splat(ir.Constant(this.scalar, ROUNDING[this.bytes]))
    result = this.sandwich(weights, terms)
    for values, bounds, magnitudes in zip(result, sizes, this.absolute(result), strict=True):
        for i, (value, bound, magnitude) in enumerate(zip(values, bounds, magnitudes, strict=True)):
            is_less = builder.fcmp_ordered("<", magnitude, builder.fmul(bound, rounding))
            values[i] = builder.select(is_less, ir.Constant(this.vector, [0.0] * this.lanes), value)
    this.store_patch(result, "target")


def _primitive(target: Target, name: str, parameters: Mapping[str, str], body: Body) -> Any:
    """Return the function that kernels call, with `parameters` by their names and kinds."""
    real = types.float32 if target.precision == "float32" else types.float64
    kinds = {"real*": types.CPointer(real), "byte*": types.CPointer(types.uint8), "size": types.int64, "real": real}
    full = f"winograd_{name}_{target.precision}"

    def call(typingctx: Any, *given: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            function = builder.module.globals.get(full)
            if function is None:
                function = _Transform(builder.module, target, full, parameters, body).function
            builder.call(function, args)
            return context.get_dummy_value()

        return types.void(*(kinds[kind] for kind in parameters.values())), codegen

    names = ["typingctx", *parameters]
    call.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # Numba asks how many arguments there are
        [inspect.Parameter(n, inspect.Parameter.POSITIONAL_OR_KEYWORD) for n in names]
    )
    return intrinsic(call)


@cache
def transform_image(target: Target) -> Any:
    """Return transform_image(*SOURCE, *TARGET, *RANGE): Bᵀ d B of patches (4, 4), to (4, 4)."""
    return _primitive(target, "image", SOURCE | TARGET | RANGE, _plain(IMAGE))


@cache
def transform_filter(target: Target) -> Any:
    """Return transform_filter(*SOURCE, *TARGET, *RANGE): G g Gᵀ of filters (3, 3), to (4, 4)."""
    return _primitive(target, "filter", SOURCE | TARGET | RANGE, _plain(FILTER))


@cache
def transform_gradient(target: Target) -> Any:
    """Return transform_gradient(*SOURCE, *TARGET, *RANGE): A dY Aᵀ of patches (2, 2), to (4, 4)."""
    return _primitive(target, "gradient", SOURCE | TARGET | RANGE, _plain(transposed(OUTPUT)))


@cache
def transform_routed(target: Target) -> Any:
    """Return transform_routed(dy, winner, *TARGET, *RANGE): A dY Aᵀ of windows with dy at the place that won."""
    return _primitive(target, "routed", {"source": "real*", "winner": "byte*"} | TARGET | RANGE, _transform_routed)


@cache
def transform_weights(target: Target) -> Any:
    """Return transform_weights(*SOURCE, *TARGET, *RANGE): Gᵀ M G of sums (4, 4), to (3, 3); 0 where they cancel."""
    return _primitive(target, "weights", SOURCE | TARGET | RANGE, _store_weights)


@cache
def transform_output(target: Target) -> Any:
    """Return transform_output(*SOURCE, *TARGET, bias, floor, *RANGE): max(Aᵀ M A + bias, floor), to (2, 2)."""
    parameters = SOURCE | TARGET | {"bias": "real*", "floor": "real"} | RANGE
    return _primitive(target, "output", parameters, _store_outputs)


@cache
def transform_largest(target: Target) -> Any:
    """Return transform_largest(*SOURCE, y, winner, bias, floor, *RANGE): the largest of these four, and which it is."""
    parameters = SOURCE | {"target": "real*", "winner": "byte*", "bias": "real*", "floor": "real"} | RANGE
    return _primitive(target, "largest", parameters, _store_largest)
