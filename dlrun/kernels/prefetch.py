"""The hint that memory will be read soon, as an intrinsic for kernels."""

from __future__ import annotations

from functools import cache
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from dlrun.kernels.target import Target

I8, I32 = ir.IntType(8), ir.IntType(32)
READ, KEEP, DATA = I32(0), I32(3), I32(1)


@cache
def _prefetch() -> Any:
    @intrinsic
    def call(typingctx, pointer):  # type: ignore[no-untyped-def]
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            kind = ir.FunctionType(ir.VoidType(), [I8.as_pointer(), I32, I32, I32])
            function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
            builder.call(function, [builder.bitcast(args[0], I8.as_pointer()), READ, KEEP, DATA])
            return context.get_dummy_value()

        return (types.void(pointer), codegen) if isinstance(pointer, types.CPointer) else None

    return call


def prefetch(target: Target) -> Any:
    """Return prefetch(p): the cache line of pointer p will be read soon. Nothing else happens, at any address."""
    return _prefetch()
