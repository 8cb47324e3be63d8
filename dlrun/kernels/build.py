"""The one place that calls Numba's compiler: a kernel's source becomes object code.

Numba is imported here and nowhere earlier. Object code is what `dlrun.kernels.store` keeps on disk; loading it back
needs LLVM's linker alone, so a warm start never imports Numba.
"""

from __future__ import annotations

import importlib
import types as python_types
from collections.abc import Callable
from functools import cache
from typing import Any

from dlrun.kernels.lang import KINDS, Helper, Kernel, Primitive
from dlrun.kernels.store import names_in
from dlrun.kernels.target import Target

FASTMATH = {"contract", "nsz"}
"""Neither `reassoc` (bits must not depend on the vectoriser's mood) nor `nnan`/`ninf` (NaN must be seen)."""


@cache
def resolve_primitive(primitive: Primitive, target: Target) -> Any:
    """Return what Numba shall see under a primitive's name."""
    module, name = primitive.where.split(":")
    return getattr(importlib.import_module(module), name)(target if primitive.by_lanes else target.of_any_width)


def specialise(function: Callable[..., Any], target: Target) -> Any:
    """Return a copy of a Python function whose helpers and primitives are those of the target."""
    names = names_in(function.__code__)
    scope = {name: _resolve(value, target) for name, value in function.__globals__.items() if name in names}
    scope["__builtins__"] = function.__globals__["__builtins__"]
    scope["__name__"] = function.__module__
    return python_types.FunctionType(function.__code__, scope, function.__name__, function.__defaults__)


@cache
def _helper(helper: Helper, target: Target) -> Any:
    from dlrun.kernels.pipeline import APART, LEFT, linked

    function = specialise(helper.function, target)
    setattr(function, APART, helper.is_apart)
    setattr(function, LEFT, not helper.is_apart)
    return linked(fastmath=FASTMATH)(function)


def _resolve(value: Any, target: Target) -> Any:
    if isinstance(value, Helper):
        return _helper(value, target)
    if isinstance(value, Primitive):
        return resolve_primitive(value, target)
    return value


def entry_source(kernel: Kernel) -> str:
    """Return the source of the stub that reads the argument block and calls the kernel."""
    slots = kernel.slots
    arguments = [kind.load.format(i=slots.get(name, 0)) for name, kind in kernel.parameters.items()]
    call = f"inner({', '.join(arguments)})"
    return (
        f"def {kernel.name}(block, thread, threads, count):\n"
        f"    slots = pointer_to_int64(block)\n"
        f"    {f'return {call}' if kernel.has_status else f'{call}; return 0'}\n"
    )


def compile_kernel(kernel: Kernel, target: Target, symbol: str) -> bytes:
    """Compile a kernel; return its object code, which exports `symbol` alone."""
    from numba.core import types
    from numba.core.compiler import Flags, compile_extra
    from numba.core.compiler_lock import global_compiler_lock
    from numba.core.cpu_options import FastMathOptions
    from numba.core.registry import cpu_target

    from dlrun.kernels.pipeline import LEFT, LlvmPipeline, linked

    flags = Flags()
    flags.nrt = False
    flags.no_compile = flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
    flags.error_model = "numpy"
    flags.fastmath = FastMathOptions(FASTMATH)
    scope = {name: resolve_primitive(value, target) for name, value in _entry_primitives().items()}
    inner = specialise(kernel.function, target)
    setattr(inner, LEFT, True)
    scope["inner"] = linked(fastmath=FASTMATH)(inner)
    exec(entry_source(kernel), scope)
    with global_compiler_lock:
        typing, lowering = cpu_target.typing_context, cpu_target.target_context
        typing.refresh()
        lowering.refresh()
        entry, arguments = scope[kernel.name], (types.int64,) * 4
        result = compile_extra(typing, lowering, entry, arguments, types.int64, flags, {}, pipeline_class=LlvmPipeline)
        return bytes(result.library.emit_object(result.fndesc.llvm_func_name, symbol))


def _entry_primitives() -> dict[str, Primitive]:
    from dlrun.kernels import lang

    loads = compile("\n".join(kind.load.format(i=0) for kind in KINDS.values()), "kinds", "exec")
    wanted = names_in(loads) | {"pointer_to_int64"}
    return {name: value for name, value in vars(lang).items() if name in wanted and isinstance(value, Primitive)}
