"""Winograd's transforms on LLVM vectors: of images, filters, products and gradients, vectorised over the channels.

A transform takes patches P of vectors to M P Mᵀ, with one of the matrices of F(4x4, 3x3) (A. Lavin and S. Gray, "Fast
Algorithms for Convolutional Neural Networks", 2016; S. Winograd, "Arithmetic Complexity of Computations", 1980):

    Y = Aᵀ [(G g Gᵀ) * (Bᵀ d B)] A        d (6, 6) a patch of the image, g (3, 3) the filter, Y (4, 4)
    dg = Gᵀ [(Bᵀ d B) * (A dY Aᵀ)] G      its transpose, F(3x3, 4x4)

The matrices come from products of polynomials, taken at six points: 0, P, -P, Q, -Q and infinity. Multiplied by a
column they are a few multiply-adds (`image_pair` and so on), since rows of P and -P differ in the signs of odd powers
alone. The usual points 1 and 2 give twice the rounding errors of these, which are exact in binary, and so are the
entries of A and B (docs/design/winograd.md).

Imported only when a kernel is compiled. LLVM's own vectoriser refuses such loops: 36 streams are read and 36 written,
and it can't know that they don't overlap. `columns` is at least the number of lanes: where it is no multiple of it,
the last vector overlaps the one before, so that no entry outside is touched.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial
from itertools import islice
from typing import Any

from llvmlite import ir

from dlrun.kernels.patches import (
    I8,
    PATCH,
    RANGE,
    SOURCE,
    TARGET,
    THERE,
    Body,
    Line,
    Parts,
    Patches,
    Sizes,
    primitive,
)
from dlrun.kernels.target import Target

SIDE = 4
"""The outputs of a tile in each direction."""
P, Q = 0.625, 1.5
P2, Q2 = P * P, Q * Q
FACTOR_0, FACTOR_P, FACTOR_Q = 1 / (P2 * Q2), 1 / (2 * P2 * (P2 - Q2)), 1 / (2 * Q2 * (Q2 - P2))
"""What G divides by: for each point, the product of its distances to the others."""
NOBODY = 255
"""As in `dlrun.kernels.convolution_pool`."""
ROUNDING = {4: 2.0**-20, 8: 2.0**-49}
"""Eight units in the last place of one, by the bytes of a real: twice what terms that cancel left in tests."""


def image_zero(this: Patches, d: Line) -> list[Any]:
    """Return the row of Bᵀ d for 0: Bᵀ has the polynomials with roots at all points but one."""
    return [this.fma(P2 * Q2, d[0], this.fma(-P2 - Q2, d[2], d[4]))]


def image_pair(this: Patches, d: Line, point: float, other: float) -> list[Any]:
    """Return the rows of Bᵀ d for a point and its negative; `other` is the other points' square."""
    even, odd = this.fma(-other, d[2], d[4]), this.fma(-other, d[1], d[3])
    return [this.fma(point, odd, even), this.fma(-point, odd, even)]


def image_infinity(this: Patches, d: Line) -> list[Any]:
    """Return the row of Bᵀ d for infinity."""
    return [this.fma(P2 * Q2, d[1], this.fma(-P2 - Q2, d[3], d[5]))]


def filter_zero(this: Patches, g: Line) -> list[Any]:
    """Return the row of G g for 0: G has a polynomial's values, over the product of its point's distances."""
    return [this.times(FACTOR_0, g[0])]


def filter_pair(this: Patches, g: Line, point: float, factor: float) -> list[Any]:
    """Return the rows of G g for a point and its negative."""
    even, odd = this.fma(factor * point * point, g[2], this.times(factor, g[0])), this.times(factor * point, g[1])
    return [this.plus(even, odd), this.builder.fsub(even, odd)]


def filter_infinity(_this: Patches, g: Line) -> list[Any]:
    """Return the row of G g for infinity."""
    return [g[2]]


def output_upper(this: Patches, m: Line) -> list[Any]:
    """Return the first two rows of Aᵀ m: A has a polynomial's values."""
    p, minus_p, q, minus_q = m[1], m[2], m[3], m[4]
    differences = this.builder.fsub(p, minus_p), this.builder.fsub(q, minus_q)
    return [
        this.plus(m[0], this.plus(p, minus_p), this.plus(q, minus_q)),
        this.fma(Q, differences[1], this.times(P, differences[0])),
    ]


def output_lower(this: Patches, m: Line) -> list[Any]:
    """Return the last two rows of Aᵀ m."""
    p, minus_p, q, minus_q = m[1], m[2], m[3], m[4]
    differences = this.builder.fsub(p, minus_p), this.builder.fsub(q, minus_q)
    return [
        this.fma(Q2, this.plus(q, minus_q), this.times(P2, this.plus(p, minus_p))),
        this.fma(Q2 * Q, differences[1], this.fma(P2 * P, differences[0], m[5])),
    ]


def gradient_zero(_this: Patches, y: Line) -> list[Any]:
    """Return the row of A y for 0."""
    return [y[0]]


def gradient_pair(this: Patches, y: Line, point: float) -> list[Any]:
    """Return the rows of A y for a point and its negative."""
    even, odd = this.fma(point * point, y[2], y[0]), this.fma(point * point, y[3], y[1])
    return [this.fma(point, odd, even), this.fma(-point, odd, even)]


def gradient_infinity(_this: Patches, y: Line) -> list[Any]:
    """Return the row of A y for infinity."""
    return [y[3]]


def weights_even(this: Patches, m: Line, sign: int = 1) -> list[Any]:
    """Return the first and the last row of Gᵀ m; with a `sign` of -1 of |Gᵀ| m, since FACTOR_P alone is negative."""
    p, q, factor = this.plus(m[1], m[2]), this.plus(m[3], m[4]), sign * FACTOR_P
    first = this.fma(FACTOR_Q, q, this.fma(factor, p, this.times(FACTOR_0, m[0])))
    return [first, this.fma(FACTOR_Q * Q2, q, this.fma(factor * P2, p, m[5]))]


def weights_odd(this: Patches, m: Line) -> list[Any]:
    """Return the middle row of Gᵀ m."""
    p, q = this.builder.fsub(m[1], m[2]), this.builder.fsub(m[3], m[4])
    return [this.fma(FACTOR_Q * Q, q, this.times(FACTOR_P * P, p))]


def weights_odd_size(this: Patches, m: Line) -> list[Any]:
    """Return the middle row of |Gᵀ| m."""
    return [this.fma(FACTOR_Q * Q, this.plus(m[3], m[4]), this.times(-FACTOR_P * P, this.plus(m[1], m[2])))]


IMAGE: Parts = (
    ((0,), image_zero),
    ((1, 2), partial(image_pair, point=P, other=Q2)),
    ((3, 4), partial(image_pair, point=Q, other=P2)),
    ((5,), image_infinity),
)
FILTER: Parts = (
    ((0,), filter_zero),
    ((1, 2), partial(filter_pair, point=P, factor=FACTOR_P)),
    ((3, 4), partial(filter_pair, point=Q, factor=FACTOR_Q)),
    ((5,), filter_infinity),
)
OUTPUT: Parts = (((0, 1), output_upper), ((2, 3), output_lower))
GRADIENT: Parts = (
    ((0,), gradient_zero),
    ((1, 2), partial(gradient_pair, point=P)),
    ((3, 4), partial(gradient_pair, point=Q)),
    ((5,), gradient_infinity),
)
WEIGHTS: Parts = (((0, 2), weights_even), ((1,), weights_odd))
WEIGHTS_SIZE: Parts = (((0, 2), partial(weights_even, sign=-1)), ((1,), weights_odd_size))


def _plain(parts: Parts, size: int) -> Body:
    def body(this: Patches) -> None:
        def columns() -> Iterator[Line]:
            return islice(this.columns("source"), size)

        this.store_rows(this.sandwich(parts, columns), "target")

    return body


def _outputs(this: Patches) -> Iterator[tuple[int, Line]]:
    """Return the rows of AᵀMA + b, the last first."""
    bias = this.load(this.builder.gep(this.given.bias, [this.column]))
    for i, row in this.sandwich(OUTPUT, lambda: this.columns("source")):
        yield i, [this.builder.fadd(x, bias) for x in row]


def _store_outputs(this: Patches) -> None:
    this.store_rows(((i, [this.above_floor(x) for x in row]) for i, row in _outputs(this)), "target")


def _store_largest(this: Patches) -> None:
    """Store the largest of each four outputs, and which it is: as `larger_of_four` of `dlrun.kernels.pooling`."""
    builder, rows, bytes_ = this.builder, _outputs(this), ir.VectorType(I8, this.lanes)
    start = this.place("winner", this.given.target_next)
    winners = [
        [builder.gep(start, [builder.add(row, place)]) for place in this.steps["target_place"][: SIDE // 2]]
        for row in this.steps["target_row"][: SIDE // 2]
    ]
    for targets, bytes_of in zip(reversed(this.places("target", SIDE // 2)), reversed(winners), strict=True):
        (_, lower), (_, upper) = next(rows), next(rows)
        for i in reversed(range(SIDE // 2)):
            best, which = _largest(this, [*upper[2 * i : 2 * i + 2], *lower[2 * i : 2 * i + 2]])
            this.store(best, targets[i])
            builder.store(which, builder.bitcast(bytes_of[i], bytes_.as_pointer()), align=1)


def _largest(this: Patches, four: Line) -> tuple[Any, Any]:
    """Return the largest of four, or the floor, and its number, or NOBODY."""
    builder, best, which = this.builder, four[0], this.whole(0)
    for number, value in enumerate(four[1:], 1):
        better = builder.or_(builder.fcmp_ordered(">", value, best), builder.fcmp_unordered("uno", value, value))
        best, which = builder.select(better, value, best), builder.select(better, this.whole(number), which)
    won = builder.fcmp_ordered(">", best, this.splat(this.given.floor))
    which = builder.trunc(builder.select(won, which, this.whole(NOBODY)), ir.VectorType(I8, this.lanes))
    return this.above_floor(best), which


def _store_weights(this: Patches) -> None:
    """Store Gᵀ M G, and zero for what is no larger than the rounding of its terms.

    An optimizer such as Adam makes steps of one size of gradients of any size. A weight whose gradient is zero, since
    its inputs and its outputs are never there together, would be moved by the rounding left over where terms cancel.
    """
    builder, zero = this.builder, ir.Constant(this.vector, [0.0] * this.lanes)
    rounding = this.splat(ir.Constant(this.scalar, ROUNDING[this.bytes]))
    weights = this.sandwich(WEIGHTS, lambda: this.columns("source"))
    sizes = this.sandwich(WEIGHTS_SIZE, lambda: (Sizes(this, column.places) for column in this.columns("source")))

    def kept(value: Any, size: Any) -> Any:
        is_less = builder.fcmp_ordered("<", this.call("fabs", value), builder.fmul(size, rounding))
        return builder.select(is_less, zero, value)

    for (i, row), (_, bounds) in zip(weights, sizes, strict=True):
        this.store_rows([(i, list(map(kept, row, bounds)))], "target")


@cache
def transform_image(target: Target) -> Any:
    """Return transform_image(*SOURCE, *TARGET, *RANGE): Bᵀ d B of patches (6, 6), to (6, 6)."""
    return primitive(target, "winograd_image", SOURCE | TARGET | RANGE, _plain(IMAGE, PATCH))


@cache
def transform_filter(target: Target) -> Any:
    """Return transform_filter(*SOURCE, *TARGET, *RANGE): G g Gᵀ of filters (3, 3), to (6, 6)."""
    return primitive(target, "winograd_filter", SOURCE | TARGET | RANGE, _plain(FILTER, 3))


@cache
def transform_gradient(target: Target) -> Any:
    """Return transform_gradient(*SOURCE, *TARGET, *RANGE): A dY Aᵀ of patches (4, 4), to (6, 6)."""
    return primitive(target, "winograd_gradient", SOURCE | TARGET | RANGE, _plain(GRADIENT, SIDE))


@cache
def transform_weights(target: Target) -> Any:
    """Return transform_weights(*SOURCE, *TARGET, *RANGE): Gᵀ M G of sums (6, 6), to (3, 3); 0 where they cancel."""
    return primitive(target, "winograd_weights", SOURCE | TARGET | RANGE, _store_weights)


@cache
def transform_output(target: Target) -> Any:
    """Return transform_output(*SOURCE, *TARGET, *THERE, bias, floor, *RANGE): max(Aᵀ M A + bias, floor), to (4, 4)."""
    parameters = SOURCE | TARGET | THERE | {"bias": "real*", "floor": "real"} | RANGE
    return primitive(target, "winograd_output", parameters, _store_outputs)


@cache
def transform_largest(target: Target) -> Any:
    """Return transform_largest(*SOURCE, *TARGET, *THERE, winner, bias, floor, *RANGE): the largest of each 2 x 2.

    `winner` lies as the target does, and tells which of the four it is.
    """
    parameters = SOURCE | TARGET | THERE | {"winner": "byte*", "bias": "real*", "floor": "real"} | RANGE
    return primitive(target, "winograd_largest", parameters, _store_largest)
