"""The register tile that every matrix product, convolution and recurrent product is made of.

    c[r, n] = max(initial[r, n] + sum_o sum_k a[o*a_outer + r*a_row + k*a_k] * b[o*b_outer + k*b_k + n], floor)

for r < rows, n < columns, with rows ≤ tile_rows and columns ≤ tile_columns. The sums stay in registers over both
loops. `initial` with row stride c_row and the address of c accumulates; with stride 0 it is a bias row (or zeros).
`floor` is -inf, or 0 for a fused ReLU; NaN passes through. All strides count elements.

`descend` takes a `rate` in the place of the floor and steps down the gradient that it has just made:

    c[r, n] -= rate * (initial[r, n] + sum_o sum_k a[..] * b[..])

`tile_from` takes, in the place of initial_row, the address of int64: how far from `initial` each row's begins.

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

from collections.abc import Callable
from functools import cache
from typing import Any

from numba import types
from numba.extending import intrinsic

from dlrun.kernels.pipeline import linked
from dlrun.kernels.target import Target
from dlrun.kernels.tile_code import I64, Kind, Tile, tile_name

ROWS, VECTORS = 6, 2
"""The shape for x86: 6 x 2 sums, 2 columns and 1 broadcast fill 15 registers. Twice as many rows fill 31 of the 32 that
AVX-512 has, and gain nothing in the loop; but what comes before and behind it no longer overlaps with it."""
SMALL_ROWS = 4
"""The rows of the smaller tile: 4 x 2 sums are what two units for multiply-adds of latency 4 need to be busy."""


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


def _code(target: Target, rows: int, vectors: int, kind: Kind) -> Callable[..., Any]:
    """Return what emits the call of a tile's function, and the function where the module hasn't got it yet."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        function = builder.module.globals.get(tile_name(target, rows, vectors, kind))
        if function is None:
            function = Tile(builder.module, target, rows, vectors, kind).function
        addresses = [
            builder.ptrtoint(value, I64) if isinstance(type_, types.CPointer) else value
            for value, type_ in zip(args, sig.args, strict=True)
        ]
        builder.call(function, addresses)
        return context.get_dummy_value()

    return codegen


@cache
def _tile(target: Target, rows: int, vectors: int, kind: Kind) -> Any:
    scalar = types.float32 if target.precision == "float32" else types.float64

    @intrinsic
    def call(  # type: ignore[no-untyped-def]
        typingctx, a, a_row, a_k, a_outer, b, b_k, b_outer, initial, initial_row, c, c_row, n_k, n_outer,
        rows_valid, columns, floor,
    ):  # fmt: skip
        pointers = (a, b, initial, c)
        if not all(isinstance(pointer, types.CPointer) for pointer in pointers):
            return None
        order = [a, *[types.int64] * 3, b, *[types.int64] * 2, initial, types.int64, c, *[types.int64] * 5, scalar]
        return types.void(*order), _code(target, rows, vectors, kind)

    return call


@cache
def _listed(target: Target, vectors: int, kind: Kind) -> Any:
    scalar = types.float32 if target.precision == "float32" else types.float64

    @intrinsic
    def call(typingctx, a, a_k, b, b_k, index, initial, c, n_k, columns, floor):  # type: ignore[no-untyped-def]
        if not all(isinstance(pointer, types.CPointer) for pointer in (a, b, index, initial, c)):
            return None
        order = [a, types.int64, b, types.int64, index, initial, c, types.int64, types.int64, scalar]
        return types.void(*order), _code(target, 1, vectors, kind)

    return call


@cache
def tile(target: Target) -> Any:
    """Return tile(...) over pointers, with the arguments of `tile_code.ARGUMENTS`."""
    return _of_any_shape(target, "tile")


@cache
def tile_from(target: Target) -> Any:
    """Return tile_from(...), the same with the address of places in the place of initial_row."""
    return _of_any_shape(target, "tile_from")


@cache
def descend(target: Target) -> Any:
    """Return descend(...), the same as tile with the rate in the floor's place."""
    return _of_any_shape(target, "descend")


@cache
def listed_row(target: Target) -> Any:
    """Return listed_row(...) over pointers, with the arguments of `tile_code.LISTED_ARGUMENTS`."""
    return _of_any_width(target, "listed_tile")


@cache
def descend_listed_row(target: Target) -> Any:
    """Return descend_listed_row(...), the same with the rate in the floor's place."""
    return _of_any_width(target, "listed_descend")


def _of_any_width(target: Target, kind: Kind) -> Any:
    """Return the function that picks the width of a listed row."""
    lanes, (eight, four, two, one) = target.lanes, (_listed(target, count, kind) for count in (8, 4, 2, 1))

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


def _of_any_shape(target: Target, kind: Kind) -> Any:
    """Return the function that picks the smallest shape that holds the tile."""
    most, lanes = tile_rows(target), target.lanes
    full, middle, short = (_tile(target, count, VECTORS, kind) for count in (most, ROWS, SMALL_ROWS))
    narrow = _tile(target, most, 1, kind)

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
