"""The functions of gates: a third of the time of dlrun.kernels.math's, whose results are exact near 0 as well.

A cell takes five of them for each unit and step, as many operations as a fifth of its products. tanh is a ratio of two
polynomials of the fourth degree in x², an own minimax fit on |x| ≤ 9 (0.17 ulp before rounding), and one division
instead of an exponential. Beyond 8 it stays at 1 - 2e-7, so that it needn't be kept from rounding to more than 1.
sigmoid(x) = (1 + tanh(x / 2)) / 2: exact to 2e-7, and not to a part of itself where it is small. Both take the same
numbers: with the halves in polynomials of its own, a cell had to load twice as many at each call.

Imported only when a kernel is compiled.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

from llvmlite import ir
from numba import float32, types
from numba.extending import intrinsic

from dlrun.kernels.intrinsics import _select
from dlrun.kernels.pipeline import linked
from dlrun.kernels.target import Target
from dlrun.kernels.tile import tile_columns

_compiled = linked(fastmath={"contract", "nsz"}, forceinline=True)


@_compiled
def _bounded(x, limit):
    above = _select(x > limit, limit, x)
    return _select(above < -limit, -limit, above)


@_compiled
def _ratio(x):
    """tanh(x) for |x| ≤ 8."""
    z = x * x
    p = float32(1.3354648054075824e-08)
    p = p * z + float32(2.06090717256302e-05)
    p = p * z + float32(0.003495587268844247)
    p = p * z + float32(0.13381025195121765)
    p = p * z + float32(1)
    q = float32(7.776552592986263e-07)
    q = q * z + float32(0.0003285633574705571)
    q = q * z + float32(0.025876978412270546)
    q = q * z + float32(0.4671434164047241)
    q = q * z + float32(1)
    return x * p / q


@_compiled
def _tanh(x):
    return _ratio(_bounded(x, float32(8)))


@_compiled
def _sigmoid(x):
    return _ratio(_bounded(x * float32(0.5), float32(8))) * float32(0.5) + float32(0.5)


@_compiled
def _tanh64(x):
    return math.tanh(x)


@_compiled
def _sigmoid64(x):
    return 1 / (1 + math.exp(-x))


@cache
def tanh(target: Target) -> Any:
    """Return tanh(x); 6 ulp."""
    return _tanh if target.precision == "float32" else _tanh64


@cache
def sigmoid(target: Target) -> Any:
    """Return 1 / (1 + exp(-x)), to 2e-7."""
    return _sigmoid if target.precision == "float32" else _sigmoid64


@cache
def copy_columns(target: Target) -> Any:
    """Return copy_columns(source, target): a loop of constant length would be unrolled into scalars, 5 times slower."""
    vectors, lanes = tile_columns(target) // target.lanes, target.lanes

    @intrinsic  # type: ignore[untyped-decorator]
    def call(typingctx: Any, source: Any, target: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            scalar = args[0].type.pointee
            kind = ir.VectorType(scalar, lanes).as_pointer()
            size = context.get_abi_sizeof(scalar)
            for i in range(vectors):
                source, target = (
                    builder.bitcast(builder.gep(place, [ir.Constant(ir.IntType(64), i * lanes)]), kind)
                    for place in args
                )
                builder.store(builder.load(source, align=size), target, align=size)
            return context.get_dummy_value()

        return types.void(source, target), codegen

    return call
