"""Numba's compiler without what kernels don't need: helpers stay LLVM code, and nothing is callable from Python.

Of every function Numba makes machine code and two wrappers, although a helper is only ever linked into kernels, as LLVM
code. And it optimises each function by itself, then its module twice, once for reference counts, which there are none
of here. Without all that, and without passes for what kernels don't hold, they compile in two fifths of the time.
Imported only when a kernel is compiled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import PassManager, register_pass
from numba.core.typed_passes import (
    AnnotateTypes,
    DumpParforDiagnostics,
    InlineOverloads,
    NativeLowering,
    NopythonRewrites,
)
from numba.core.untyped_passes import (
    DeadBranchPrune,
    FindLiterallyCalls,
    GenericRewrites,
    InlineClosureLikes,
    InlineInlinables,
    LiteralPropagationSubPipelinePass,
    LiteralUnroll,
    MakeFunctionToJitFunction,
    RewriteDynamicRaises,
    RewriteSemanticConstants,
    WithLifting,
)

UNUSED = {
    AnnotateTypes, DeadBranchPrune, DumpParforDiagnostics, FindLiterallyCalls, GenericRewrites, InlineClosureLikes,
    InlineInlinables, InlineOverloads, LiteralPropagationSubPipelinePass, LiteralUnroll, MakeFunctionToJitFunction,
    NopythonRewrites, RewriteDynamicRaises, RewriteSemanticConstants, WithLifting,
}  # fmt: skip
"""Numba's passes for what kernels don't hold: closures, contexts, literal types, arrays, exceptions."""
LEFT = "is_left_to_its_caller"
"""The attribute that says whether a Python function is optimised with its callers only."""
APART = "has_pointers_apart"
"""The attribute that says whether what a function writes by one pointer it reaches by no other."""


class LlvmLibrary(JITCodeLibrary):  # type: ignore[misc]
    """A function's LLVM code with all that it calls, optimised; machine code is made when it is asked for.

    One that is left to its callers is only optimised with them, where it is inlined or not. Otherwise what is called
    through five others would be optimised six times.
    """

    is_left = False

    def _optimize_functions(self, ll_module: Any) -> None:
        ll_module.data_layout = self._codegen._data_layout

    def _optimize_final_module(self) -> None:
        if not self.is_left:
            passes, builder = self._codegen._module_pass_manager()
            passes.run(self._final_module, builder)

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._finalized = True

    def emit_object(self, name: str, symbol: str) -> bytes:
        """Return the object code of the function `name`, which is exported as `symbol`.

        All else is the object's own: another one may have the same names for other things.
        """
        self._ensure_finalized()
        module = self._final_module
        module.get_function(name).name = symbol
        for value in (*module.functions, *module.global_variables):
            if not value.is_declaration and value.name != symbol:
                value.linkage = "internal"
        code: bytes = self._codegen._tm.emit_object(module)
        return code


@register_pass(mutates_CFG=True, analysis_only=False)
class LowerToLlvm(NativeLowering):  # type: ignore[misc]
    """Lowers a function to a LlvmLibrary, and lets others call it."""

    _name = "lower_to_llvm"

    def run_pass(self, state: Any) -> bool:
        """Lower, and register what calls find the function by: in Numba a builtin function that calls it."""
        state.library = LlvmLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.is_left = getattr(state.func_id.func, LEFT, False)
        state.flags.no_compile = True
        state.flags.noalias = getattr(state.func_id.func, APART, False)
        super().run_pass(state)
        mark = list[int]().append  # any builtin function that no other function has
        state.targetctx.insert_user_function(mark, state["cr"].fndesc, [state.library])
        state["cr"] = state["cr"]._replace(cfunc=mark)
        return True


class LlvmPipeline(CompilerBase):  # type: ignore[misc]
    """Numba's passes with LowerToLlvm."""

    def define_pipelines(self) -> list[PassManager]:
        """Return the one pipeline."""
        whole, manager = DefaultPassBuilder.define_nopython_pipeline(self.state), PassManager("llvm")
        for step, text in whole.passes:
            if step not in UNUSED:
                manager.add_pass(LowerToLlvm if step is NativeLowering else step, text)
        manager.finalize()
        return [manager]


def linked(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Return a decorator for functions that are linked into those that call them, with further options of `njit`."""
    decorator: Callable[[Callable[..., Any]], Any] = njit(
        _nrt=False, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True, pipeline_class=LlvmPipeline,
        **options,
    )  # fmt: skip
    return decorator
