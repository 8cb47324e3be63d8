"""Philox 4x32-10 on LLVM vectors: eight counters at once. Imported only when a kernel is compiled.

Words are the lower halves of 64-bit lanes, so that a round's products are the processor's own 32 x 32 → 64 bit
multiplications; the upper halves are rubbish that the next product ignores.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from dlrun.kernels.target import Target

I32, I64 = ir.IntType(32), ir.IntType(64)
BLOCKS = 8
"""Counters at once, on every machine: part of which entry gets which word."""
WIDE, NARROW = ir.VectorType(I64, BLOCKS), ir.VectorType(I32, BLOCKS)
MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
WEYL = 0x9E3779B9, 0xBB67AE85
ROUNDS = 10
WORD = 0xFFFFFFFF


class _UniformBlock:
    """Builds the LLVM function void(real* u, i64 key, i64 step, i64 row, i64 block)."""

    def __init__(self, module: ir.Module, target: Target) -> None:
        self.is_single = target.precision == "float32"
        self.scalar = ir.FloatType() if self.is_single else ir.DoubleType()
        kind = ir.FunctionType(ir.VoidType(), [self.scalar.as_pointer(), I64, I64, I64, I64])
        self.function = ir.Function(module, kind, function_name(target))
        self.function.linkage = "internal"
        self.function.attributes.add("noinline")
        self.builder = ir.IRBuilder(self.function.append_basic_block("entry"))
        self.build(*self.function.args)

    def build(self, out: Any, key: Any, step: Any, row: Any, block: Any) -> None:
        """Emit the ten rounds for counters (8 block + lane, row, step's halves), and the stores."""
        builder, high = self.builder, I64(32)
        lanes = ir.Constant(WIDE, list(range(BLOCKS)))
        a = builder.add(self.splat(builder.mul(block, I64(BLOCKS))), lanes)
        b, c, d = self.splat(row), self.splat(step), self.splat(builder.lshr(step, high))
        keys = [key, builder.lshr(key, high)]
        for _ in range(ROUNDS):
            k0, k1 = (self.splat(k) for k in keys)
            p, q = self.product(a, MULTIPLIERS[0]), self.product(c, MULTIPLIERS[1])
            a = builder.xor(builder.xor(self.upper(q), b), k0)
            c = builder.xor(builder.xor(self.upper(p), d), k1)
            b, d = q, p
            keys = [builder.add(k, I64(w)) for k, w in zip(keys, WEYL, strict=True)]
        for word, value in enumerate((a, b, c, d)):
            self.store(value, builder.gep(out, [I64(word * BLOCKS)]))
        builder.ret_void()

    def splat(self, scalar: Any) -> Any:
        """Return a vector whose lanes all hold the scalar."""
        one = self.builder.insert_element(ir.Constant(WIDE, ir.Undefined), scalar, I32(0))
        return self.builder.shuffle_vector(one, ir.Constant(WIDE, ir.Undefined), ir.Constant(NARROW, [0] * BLOCKS))

    def product(self, a: Any, multiplier: int) -> Any:
        """Return the 64-bit products of the lanes' lower halves with a word."""
        low = self.builder.and_(a, ir.Constant(WIDE, [WORD] * BLOCKS))
        return self.builder.mul(low, ir.Constant(WIDE, [multiplier] * BLOCKS))

    def upper(self, a: Any) -> Any:
        """Return the lanes' upper halves."""
        return self.builder.lshr(a, ir.Constant(WIDE, [32] * BLOCKS))

    def store(self, words: Any, place: Any) -> None:
        """Store eight words as numbers in [0, 1): their upper 24 bits as float32, all of them as float64."""
        builder, kind = self.builder, ir.VectorType(self.scalar, BLOCKS)
        whole = builder.trunc(words, NARROW)
        if self.is_single:
            bits = builder.lshr(whole, ir.Constant(NARROW, [8] * BLOCKS))
            values, scale = builder.sitofp(bits, kind), 2.0**-24
        else:
            values, scale = builder.uitofp(whole, kind), 2.0**-32
        result = builder.fmul(values, ir.Constant(kind, [scale] * BLOCKS))
        builder.store(result, builder.bitcast(place, kind.as_pointer()), align=4 if self.is_single else 8)


def function_name(target: Target) -> str:
    """Return the name of the LLVM function of a precision."""
    return f"uniform_block_{target.precision}"


@cache
def uniform_block(target: Target) -> Any:
    """Return uniform_block(u, key, step, row, block), as dlrun.kernels.philox describes it."""
    scalar = types.float32 if target.precision == "float32" else types.float64

    @intrinsic  # type: ignore[untyped-decorator]
    def call(typingctx: Any, u: Any, key: Any, step: Any, row: Any, block: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            function = builder.module.globals.get(function_name(target))
            if function is None:
                function = _UniformBlock(builder.module, target).function
            builder.call(function, args)
            return context.get_dummy_value()

        return types.void(types.CPointer(scalar), *[types.int64] * 4), codegen

    return call
