"""The loads and stores behind dlrun.kernels.entries. Imported only when a kernel is compiled."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from dlrun.kernels.target import Target


def _scopes(module: ir.Module) -> Any:
    """Return the list of alias scopes that all `put` belong to and that no `get` overlaps."""
    domain = module.add_metadata(["entries"])
    scope = module.add_metadata(["put", domain])
    return module.add_metadata([scope])


@intrinsic  # type: ignore[untyped-decorator]
def _get(typingctx: Any, pointer: Any, index: Any) -> Any:
    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        value = builder.load(builder.gep(args[0], [args[1]]))
        value.set_metadata("noalias", _scopes(builder.module))
        return value

    return pointer.dtype(pointer, types.int64), codegen


@intrinsic  # type: ignore[untyped-decorator]
def _put(typingctx: Any, pointer: Any, index: Any, value: Any) -> Any:
    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        stored = builder.store(args[2], builder.gep(args[0], [args[1]]))
        stored.set_metadata("alias.scope", _scopes(builder.module))
        return context.get_dummy_value()

    return types.void(pointer, types.int64, pointer.dtype), codegen


def get(target: Target) -> Any:
    """Return the load."""
    return _get


def put(target: Target) -> Any:
    """Return the store."""
    return _put
