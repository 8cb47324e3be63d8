"""Sleeping until a word changes: Linux's futex, sched_yield elsewhere. Imported only when a kernel is compiled.

Source: U. Drepper, "Futexes Are Tricky" (2011).
"""

from __future__ import annotations

import platform
import sys
from functools import cache
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from dlrun.kernels.target import Target

I32, I64 = ir.IntType(32), ir.IntType(64)
SYSTEM_CALLS = {"x86_64": 202, "aarch64": 98}
WAIT_PRIVATE, WAKE_PRIVATE = 128, 129
EVERYONE = 2**31 - 1


def _system_call(builder: Any, arguments: list[Any]) -> None:
    kind = ir.FunctionType(I64, [I64], var_arg=True)
    builder.call(cgutils.get_or_insert_function(builder.module, kind, "syscall"), arguments)


def _yield(builder: Any) -> None:
    kind = ir.FunctionType(I32, [])
    builder.call(cgutils.get_or_insert_function(builder.module, kind, "sched_yield"), [])


@cache
def _futex_number() -> int | None:
    return SYSTEM_CALLS.get(platform.machine()) if sys.platform == "linux" else None


@cache
def sleep_while_equal(target: Target) -> Any:
    """Return sleep(address, value): sleep while the int64 at the address holds the value; may wake early."""
    number = _futex_number()

    @intrinsic  # type: ignore[untyped-decorator]
    def sleep(typingctx: Any, address: Any, value: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            if number is None:
                _yield(builder)
            else:  # a futex is 32 bits wide: the low half, which comes first on these machines
                low = builder.and_(args[1], I64(0xFFFFFFFF))
                _system_call(builder, [I64(number), args[0], I64(WAIT_PRIVATE), low, I64(0)])
            return context.get_dummy_value()

        return types.void(types.int64, types.int64), codegen

    return sleep


@cache
def wake_all(target: Target) -> Any:
    """Return wake(address): wake every thread that sleeps on the address."""
    number = _futex_number()

    @intrinsic  # type: ignore[untyped-decorator]
    def wake(typingctx: Any, address: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            if number is not None:
                _system_call(builder, [I64(number), args[0], I64(WAKE_PRIVATE), I64(EVERYONE)])
            return context.get_dummy_value()

        return types.void(types.int64), codegen

    return wake
