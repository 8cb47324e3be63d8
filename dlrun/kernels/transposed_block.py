"""The transposition of 8 x 8 entries as LLVM code. Imported only when a kernel is compiled.

Three times, rows i and i + 4 are interleaved. With a row's and a column's number as three bits each, every time moves
each entry by one bit of its address, from row and column (i j) to (j i) in the end.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from dlrun.kernels.intrinsics import I32, NUMBA_TYPES
from dlrun.kernels.target import Target

SIDE = 8
HALVES = [0, 8, 1, 9, 2, 10, 3, 11], [4, 12, 5, 13, 6, 14, 7, 15]
"""The two rows that two rows make when they are interleaved."""


@cache
def _transpose_block(precision: str) -> Any:
    scalar, size = (ir.FloatType(), 4) if precision == "float32" else (ir.DoubleType(), 8)
    vector, places = ir.VectorType(scalar, SIDE), ir.VectorType(I32, SIDE)

    @intrinsic  # type: ignore[untyped-decorator]
    def block(typingctx: Any, x: Any, x_row: Any, y: Any, y_row: Any, scale: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            x, x_row, y, y_row, scale = args

            def row_at(base: Any, step: Any, i: int) -> Any:
                place = builder.gep(base, [builder.mul(step, step.type(i))])
                return builder.bitcast(place, vector.as_pointer())

            rows = [builder.load(row_at(x, x_row, i), align=size) for i in range(SIDE)]
            for _ in range(3):
                pairs = [(rows[i], rows[i + SIDE // 2]) for i in range(SIDE // 2)]
                rows = [builder.shuffle_vector(*pair, ir.Constant(places, half)) for pair in pairs for half in HALVES]
            first = builder.insert_element(ir.Constant(vector, ir.Undefined), scale, I32(0))
            factor = builder.shuffle_vector(first, first, ir.Constant(places, [0] * SIDE))
            for i, row in enumerate(rows):
                builder.store(builder.fmul(row, factor), row_at(y, y_row, i), align=size)
            return context.get_dummy_value()

        return types.void(x, types.int64, y, types.int64, NUMBA_TYPES[precision]), codegen

    return block


def transpose_block(target: Target) -> Any:
    """Return the transposition of a block."""
    return _transpose_block(target.precision)
