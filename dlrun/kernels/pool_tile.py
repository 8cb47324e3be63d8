"""Register tiles of a convolution with a max pool of 2 x 2 behind it: forward, and the weights' gradient.

Forward, the four places of a window are summed up side by side and pooled in registers: what lies between the
convolution and its pool is never in memory. On the way back a window's gradient belongs to one of the four places, so
that a tap's part of the weights' gradient is one multiply-add where all four places would take four: each lane (filter)
multiplies with the one of four inputs that its winner says. Those four lie side by side in memory as a `quad`.

Every number is one lane's own chain of multiply-adds, in an order that depends neither on the lane count nor on how
windows are shared out: forward bias, rows of taps, taps, as `dlrun.kernels.tile` has it, so that bits are the same;
in the gradient windows row by row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from types import SimpleNamespace
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from dlrun.kernels.pipeline import linked
from dlrun.kernels.target import Target, host_has

I8, I32, I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
VECTORS = 2
"""Vectors of filters in the forward tile: 4 x 2 sums keep two units for multiply-adds of latency 4 busy."""
TAPS = 9
"""Taps of the gradient's tile: so many sums, one of the gradient itself, and 3 registers to work with."""
NOBODY = 255
"""The winner of a window in which the ReLU left nothing."""
SHUFFLES = {4: ("ssse3", "ssse3.pshuf.b.128"), 8: ("avx2", "avx2.pshuf.b"), 16: ("avx512bw", "avx512.pshuf.b.512")}
"""For each lane count of float32: the processor's feature, and the instruction, that shuffles bytes by a vector."""


class _Tile:
    """Builds an LLVM function of addresses (or whole numbers) and reals: `names` are its arguments."""

    names: tuple[str, ...]
    reals: tuple[str, ...] = ()

    def __init__(self, module: ir.Module, target: Target, name: str) -> None:
        self.module, self.target, self.lanes = module, target, target.lanes
        self.bytes = 4 if target.precision == "float32" else 8
        self.scalar = ir.FloatType() if target.precision == "float32" else ir.DoubleType()
        self.vector = ir.VectorType(self.scalar, self.lanes)
        self.ints = ir.VectorType(ir.IntType(8 * self.bytes), self.lanes)
        kinds = [self.scalar if argument in self.reals else I64 for argument in self.names]
        self.function = ir.Function(module, ir.FunctionType(ir.VoidType(), kinds), name)
        self.function.linkage = "internal"
        self.function.attributes.add("noinline")
        self.given = SimpleNamespace(**dict(zip(self.names, self.function.args, strict=True)))
        self.builder = ir.IRBuilder(self.function.append_basic_block("entry"))
        self.build()
        self.builder.ret_void()

    def build(self) -> None:
        """Emit the body."""
        raise TypeError(f"{type(self).__name__} has no body")

    def loop(self, count: Any, start: Sequence[Any], body: Callable[[Any, list[Any]], Sequence[Any]]) -> list[Any]:
        """Emit: for i in range(count): values = body(i, values). Return the last values. `count` is at least 1."""
        builder, before = self.builder, self.builder.block
        block, after = builder.append_basic_block("loop"), builder.append_basic_block("after")
        builder.branch(block)
        builder.position_at_end(block)
        i, values = builder.phi(I64), [builder.phi(value.type) for value in start]
        new = list(body(i, values))
        following = builder.add(i, I64(1))
        for phi, first, next_value in zip([i, *values], [I64(0), *start], [following, *new], strict=True):
            phi.add_incoming(first, before)
            phi.add_incoming(next_value, builder.block)
        builder.cbranch(builder.icmp_signed("<", following, count), block, after)
        builder.position_at_end(after)
        return new

    def pointer(self, address: Any, kind: Any = None) -> Any:
        """Return an address as a pointer to reals, or to another kind."""
        return self.builder.inttoptr(address, (kind or self.scalar).as_pointer())

    def load(self, base: Any, offset: int = 0, kind: Any = None) -> Any:
        """Return the vector of reals, or of another kind, that begins so many elements after the base."""
        place = self.builder.bitcast(self.builder.gep(base, [I64(offset)]), (kind or self.vector).as_pointer())
        return self.builder.load(place, align=1 if kind and kind.element == I8 else self.bytes)

    def store(self, value: Any, base: Any, offset: int = 0) -> None:
        """Store a vector so many elements after the base."""
        place = self.builder.bitcast(self.builder.gep(base, [I64(offset)]), value.type.as_pointer())
        self.builder.store(value, place, align=1 if value.type.element == I8 else self.bytes)

    def spread(self, vector: Any, lanes: int) -> Any:
        """Return a vector of so many lanes that repeats a shorter one."""
        count = vector.type.count
        places = ir.Constant(ir.VectorType(I32, lanes), [i % count for i in range(lanes)])
        return self.builder.shuffle_vector(vector, ir.Constant(vector.type, ir.Undefined), places)

    def splat(self, scalar: Any) -> Any:
        """Return a vector whose lanes all hold the scalar."""
        undefined = ir.Constant(ir.VectorType(scalar.type, 1), ir.Undefined)
        return self.spread(self.builder.insert_element(undefined, scalar, I32(0)), self.lanes)

    def whole(self, number: int) -> Any:
        """Return a vector whose lanes all hold a whole number, as wide as the reals."""
        return ir.Constant(self.ints, [number] * self.lanes)

    def call(self, name: str, *arguments: Any) -> Any:
        """Return the result of an LLVM intrinsic, which is of the last argument's type."""
        kind = ir.FunctionType(arguments[-1].type, [a.type for a in arguments])
        return self.builder.call(cgutils.get_or_insert_function(self.module, kind, f"llvm.{name}"), arguments)

    def multiply_add(self, a: Any, b: Any, c: Any) -> Any:
        """Return a b + c, rounded once."""
        return self.call(f"fma.v{self.lanes}f{8 * self.bytes}", a, b, c)


class _LargestOfFour(_Tile):
    """For a panel of tile_columns filters and height x width windows, one after the other:

        z[q, n] = bias[n] + sum_{o < n_outer} sum_{k < n_k} a[q's place + o * a_pitch + k] * b[o, k, n]
        y[n] = max(max_q z[q, n], floor), winner[n] = the q of the largest, or NOBODY if it isn't above the floor

    The four places are a_step apart along a row and a_pitch down a column, windows twice as far. b is (n_outer, n_k,
    tile_columns). From one window to the next y and winner go y_step entries on. Of equals the first wins; where one is
    NaN, so is y, and nobody wins.
    """

    names = (
        "a", "a_step", "a_pitch", "b", "bias", "y", "y_step", "winner", "n_k", "n_outer", "width", "height", "floor",
    )  # fmt: skip
    reals = ("floor",)
    taps: tuple[int, int] | None = None
    """n_outer and n_k, where the loops over the taps are to be unrolled."""
    has_winners = True
    """Whether the winners are stored."""

    def build(self) -> None:
        """Emit the loops over windows."""
        builder, given = self.builder, self.given
        a, bias, y = (self.pointer(address) for address in (given.a, given.bias, given.y))
        winner, floor = self.pointer(given.winner, I8), self.splat(given.floor)
        start = [self.load(bias, v * self.lanes) for v in range(VECTORS)] * 4
        right, down = builder.mul(given.a_step, I64(2)), builder.mul(given.a_pitch, I64(2))

        def row(i: Any, nothing: list[Any]) -> list[Any]:
            left, first = builder.gep(a, [builder.mul(i, down)]), builder.mul(i, given.width)

            def window(j: Any, nothing: list[Any]) -> list[Any]:
                place = builder.mul(builder.add(first, j), given.y_step)
                sums = self.sums(builder.gep(left, [builder.mul(j, right)]), start)
                self.pool(sums, floor, builder.gep(y, [place]), builder.gep(winner, [place]))
                return []

            return self.loop(given.width, [], window)

        self.loop(given.height, [], row)

    def sums(self, corner: Any, sums: list[Any]) -> list[Any]:
        """Return the four sums of a window, (place, vector)."""
        builder, given = self.builder, self.given
        b = self.pointer(given.b)
        lower = builder.gep(corner, [given.a_pitch])
        places = [builder.gep(edge, [step]) for edge in (corner, lower) for step in (I64(0), given.a_step)]

        def tap_row(o: Any, sums: list[Any]) -> list[Any]:
            here = [builder.gep(place, [builder.mul(o, given.a_pitch)]) for place in places]

            def tap(k: Any, sums: list[Any]) -> list[Any]:
                tap_number = builder.add(builder.mul(o, given.n_k if self.taps is None else I64(self.taps[1])), k)
                weights = builder.gep(b, [builder.mul(tap_number, I64(VECTORS * self.lanes))])
                columns = [self.load(weights, v * self.lanes) for v in range(VECTORS)]
                new: list[Any] = []
                for place in here:
                    x = self.splat(builder.load(builder.gep(place, [k])))
                    new += [self.multiply_add(x, column, sums[len(new) + v]) for v, column in enumerate(columns)]
                return new

            return self.times(None if self.taps is None else self.taps[1], given.n_k, sums, tap)

        return self.times(None if self.taps is None else self.taps[0], given.n_outer, sums, tap_row)

    def times(self, fixed: int | None, count: Any, values: list[Any], body: Any) -> list[Any]:
        """Emit a loop, or its rounds one after the other where their number is fixed."""
        if fixed is None:
            return self.loop(count, values, body)
        for i in range(fixed):
            values = body(I64(i), values)
        return values

    def pool(self, sums: list[Any], floor: Any, y: Any, winner: Any) -> None:
        """Store a window's largest, and which they are, as bytes."""
        winners = []
        for v in range(VECTORS):
            value, which = self.largest(sums[v::VECTORS], floor)
            self.store(value, y, v * self.lanes)
            winners.append(which)
        if not self.has_winners:
            return
        count = VECTORS * self.lanes
        places = ir.Constant(ir.VectorType(I32, count), list(range(count)))
        both = self.builder.shuffle_vector(*winners, places)
        self.store(self.builder.trunc(both, ir.VectorType(I8, count)), winner)

    def largest(self, four: Sequence[Any], floor: Any) -> tuple[Any, Any]:
        """Return the largest of four vectors, not below the floor, and its number."""
        builder, (p0, p1, p2, p3) = self.builder, four
        is_right_above, above = self.larger(p0, p1)
        is_right_below, below = self.larger(p2, p3)
        is_below, best = self.larger(above, below)
        number_above = self.bits(is_right_above, 1, 0)
        number_below = builder.or_(self.bits(is_right_below, 1, 0), self.whole(2))
        numbers = (builder.bitcast(number, self.vector) for number in (number_below, number_above))
        which = builder.bitcast(builder.select(is_below, *numbers), self.ints)
        is_nan = builder.or_(builder.fcmp_unordered("uno", p0, p1), builder.fcmp_unordered("uno", p2, p3))
        best = builder.or_(builder.bitcast(best, self.ints), builder.sext(is_nan, self.ints))
        best = builder.bitcast(best, self.vector)
        which = builder.or_(which, self.bits(builder.fcmp_ordered(">", best, floor), 0, -1))
        return self.larger(best, floor)[1], which

    def larger(self, p: Any, q: Any) -> tuple[Any, Any]:
        """Return whether q exceeds p, and the larger."""
        exceeds = self.builder.fcmp_ordered(">", q, p)
        return exceeds, self.builder.select(exceeds, q, p)

    def bits(self, condition: Any, yes: int, no: int) -> Any:
        """Return a whole number for true and one for false.

        They are chosen between as reals: else LLVM narrows each condition to bytes for itself, which takes a shuffle.
        """
        choices = (self.builder.bitcast(self.whole(number), self.vector) for number in (yes, no))
        return self.builder.bitcast(self.builder.select(condition, *choices), self.ints)


class _LargestOfFour3x3(_LargestOfFour):
    taps = (3, 3)


class _LargestOfFour3x9(_LargestOfFour):
    taps = (3, 9)


class _LargestAlone(_LargestOfFour):
    has_winners = False


class _LargestAlone3x3(_LargestOfFour3x3):
    has_winners = False


class _LargestAlone3x9(_LargestOfFour3x9):
    has_winners = False


class _AddChosen(_Tile):
    """sums[t, n] += sum over windows of quads[window, t, winner[window, n]] * dy[window, n], for `TAPS` taps t.

    The next row of sums gets the sum of dy alone. n are the filters of one vector; where a winner is NOBODY, dy counts
    as 0. There are height x width windows: from one to the next quads go q_step entries on, from one row of them to the
    next q_pitch; dy and winner go dy_step on. Taps are in `tap_rows` rows of neighbours, q_row entries apart.
    """

    names = ("quads", "q_step", "q_pitch", "q_row", "dy", "winner", "dy_step", "width", "height", "sums")
    tap_rows = 1

    def build(self) -> None:
        """Emit the loops over windows; all sums stay in registers."""
        builder, given = self.builder, self.given
        quads, dy, sums = (self.pointer(address) for address in (given.quads, given.dy, given.sums))
        winner = self.pointer(given.winner, I8)
        start = [self.load(sums, t * self.lanes) for t in range(TAPS + 1)]

        def row(i: Any, values: list[Any]) -> list[Any]:
            line, first = builder.gep(quads, [builder.mul(i, given.q_pitch)]), builder.mul(i, given.width)

            def window(j: Any, values: list[Any]) -> list[Any]:
                place = builder.mul(builder.add(first, j), given.dy_step)
                here = builder.gep(line, [builder.mul(j, given.q_step)])
                is_nobody, chooser = self.chooser(builder.gep(winner, [place]))
                zero = ir.Constant(self.vector, [0.0] * self.lanes)
                gradient = builder.select(is_nobody, zero, self.load(builder.gep(dy, [place])))
                # One tap after the other: else LLVM has all inputs at once, and too few registers for them.
                quads = zip(self.quads(here), values[:TAPS], strict=True)
                new = [self.multiply_add(self.chosen(quad, chooser), gradient, total) for quad, total in quads]
                return [*new, builder.fadd(values[TAPS], gradient)]

            return self.loop(given.width, values, window)

        for t, value in enumerate(self.loop(given.height, start, row)):
            self.store(value, sums, t * self.lanes)

    def quads(self, here: Any) -> Iterator[Any]:
        """Yield the address of each tap's quad."""
        for r in range(self.tap_rows):
            line = self.builder.gep(here, [self.builder.mul(I64(r), self.given.q_row)])
            for t in range(TAPS // self.tap_rows):
                yield self.builder.gep(line, [I64(4 * t)])

    @property
    def shuffle(self) -> str | None:
        """The instruction that chooses among a quad's entries for all lanes at once, where the processor has it."""
        feature, name = SHUFFLES.get(self.lanes, ("", ""))
        has = self.target.x86 and host_has(feature)
        return f"x86.{name}" if has and self.bytes == 4 else None

    def chooser(self, winner: Any) -> tuple[Any, Any]:
        """Return whether nobody has won, and by what `chosen` chooses: numbers, or places of bytes for a shuffle."""
        builder, numbers = self.builder, self.load(winner, kind=ir.VectorType(I8, self.lanes))
        if self.shuffle is None:
            which = builder.zext(numbers, self.ints)
            return builder.icmp_signed("==", which, self.whole(NOBODY)), which
        chars = ir.VectorType(I8, 4 * self.lanes)
        four_times = ir.Constant(chars, [i // 4 for i in range(4 * self.lanes)])
        which = builder.bitcast(self.call(self.shuffle, self.spread(numbers, chars.count), four_times), self.ints)
        is_nobody = builder.icmp_signed("==", which, self.whole(-1))
        places = builder.or_(builder.shl(which, self.whole(2)), self.whole(0x03020100))
        return is_nobody, builder.bitcast(places, chars)

    def chosen(self, quad: Any, chooser: Any) -> Any:
        """Return for each lane the one of the quad's four entries that its winner says."""
        builder = self.builder
        if self.shuffle is not None:
            four = self.spread(self.load(quad, kind=ir.VectorType(self.scalar, 4)), self.lanes)
            return builder.bitcast(self.call(self.shuffle, builder.bitcast(four, chooser.type), chooser), self.vector)
        x0, x1, x2, x3 = (self.splat(builder.load(builder.gep(quad, [I64(i)]))) for i in range(4))
        is_right, is_below = (
            builder.icmp_signed("!=", builder.and_(chooser, self.whole(bit)), self.whole(0)) for bit in (1, 2)
        )
        return builder.select(is_below, builder.select(is_right, x3, x2), builder.select(is_right, x1, x0))


class _AddChosen3x3(_AddChosen):
    tap_rows = 3


def _caller(make: type[_Tile], target: Target) -> Any:
    """Return what Numba calls a tile by, with its arguments as a tuple."""
    scalar = types.float32 if target.precision == "float32" else types.float64
    name = f"{make.__name__}_{target.precision}"

    @intrinsic  # type: ignore[untyped-decorator]
    def call(typingctx: Any, arguments: Any) -> Any:
        kinds = [
            scalar if argument in make.reals else kind if isinstance(kind, types.CPointer) else types.int64
            for argument, kind in zip(make.names, arguments, strict=True)
        ]

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            function = builder.module.globals.get(name) or make(builder.module, target, name).function
            values = zip(cgutils.unpack_tuple(builder, args[0]), kinds, strict=True)
            builder.call(
                function, [builder.ptrtoint(v, I64) if isinstance(kind, types.CPointer) else v for v, kind in values]
            )
            return context.get_dummy_value()

        return types.void(types.Tuple(kinds)), codegen

    return call


@cache
def largest_of_four(target: Target) -> Any:
    """Return the forward tile, with the arguments of `_LargestOfFour`."""
    return _of_any_taps(target, _LargestOfFour, _LargestOfFour3x3, _LargestOfFour3x9)


@cache
def largest_alone(target: Target) -> Any:
    """Return the forward tile of inference, which has no use for the winner that it is given."""
    return _of_any_taps(target, _LargestAlone, _LargestAlone3x3, _LargestAlone3x9)


def _of_any_taps(target: Target, *tiles: type[_Tile]) -> Any:
    """Return the function that picks the tile for its taps: any, 3 x 3 of one channel, 3 x 3 of three."""
    any_size, of_one, of_three = (_caller(make, target) for make in tiles)

    @linked()
    def call(  # type: ignore[no-untyped-def]
        a, a_step, a_pitch, b, bias, y, y_step, winner, n_k, n_outer, width, height, floor
    ):
        if n_outer == 3 and n_k == 3 and a_step == 1:
            of_one((a, 1, a_pitch, b, bias, y, y_step, winner, n_k, n_outer, width, height, floor))
        elif n_outer == 3 and n_k == 9 and a_step == 3:
            of_three((a, 3, a_pitch, b, bias, y, y_step, winner, n_k, n_outer, width, height, floor))
        else:
            any_size((a, a_step, a_pitch, b, bias, y, y_step, winner, n_k, n_outer, width, height, floor))

    return call


@cache
def add_chosen(target: Target) -> Any:
    """Return the gradient's tile, with the arguments of `_AddChosen`, and 3 or 1 for how many rows its taps are in."""
    in_a_row, in_three_rows = (_caller(make, target) for make in (_AddChosen, _AddChosen3x3))

    @linked()
    def call(  # type: ignore[no-untyped-def]
        quads, q_step, q_pitch, q_row, dy, winner, dy_step, width, height, sums, tap_rows
    ):
        if tap_rows == 3:
            in_three_rows((quads, q_step, q_pitch, q_row, dy, winner, dy_step, width, height, sums))
        else:
            in_a_row((quads, q_step, q_pitch, q_row, dy, winner, dy_step, width, height, sums))

    return call
