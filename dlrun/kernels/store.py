"""Compiled kernels on disk, and their way into memory.

A kernel's object code is stored under a key that covers everything it depends on: the bytecode and constants of the
kernel and of every helper it reaches, the source files of the primitives and of what these import, the versions of
Python, Numba and LLVM, the CPU and its features, the real type and, where tiles are used, the vector width. So a change
in a file that a kernel merely imports is seen, and an edit of a comment or of another kernel recompiles nothing.
Loading needs LLVM's linker alone; Numba is imported only when something has to be compiled.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import re
import sys
import tempfile
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from dlrun.kernels.compiling import compiling
from dlrun.kernels.lang import Function, Helper, Kernel, Precision, Primitive
from dlrun.kernels.target import Target, host_cpu, host_target

MAGIC = b"dlrunobj"
IMPORT = re.compile(rb"^from (dlrun\.kernels\.\w+) import", re.MULTILINE)
_loaded: dict[tuple[Kernel, Target], int] = {}
_engines: list[Any] = []


def cache_folder() -> Path:
    """Return the folder of compiled kernels: kernels/ below DLRUN_CACHE, or below ~/.cache/dlrun."""
    root = os.environ.get("DLRUN_CACHE")
    return (Path(root) if root else Path.home() / ".cache" / "dlrun") / "kernels"


def load_kernels(
    kernels: Iterable[Kernel], precision: Precision, progress: Callable[[str, int, int], None] | None = None
) -> dict[Kernel, int]:
    """Return the address of each kernel, compiling what this machine doesn't have yet.

    `progress(name, done, total)` is called before each compilation; not at all when everything is in the cache.
    """
    target = host_target(precision)
    wanted = list(dict.fromkeys(kernels))
    new = {kernel: _read(_path(kernel, target)) for kernel in wanted if (kernel, target) not in _loaded}
    found = {kernel: code for kernel, code in new.items() if code is not None}
    if len(found) < len(new):
        missing = [kernel for kernel in new if kernel not in found]
        found |= _compile_missing(missing, target, progress or (lambda name, done, total: None))
    if found:
        _link(found, target)
    return {kernel: _loaded[kernel, target] for kernel in wanted}


def _compile_missing(
    missing: list[Kernel], target: Target, progress: Callable[[str, int, int], None]
) -> dict[Kernel, bytes]:
    """Compile kernels together with other processes; return their object code."""
    found: dict[Kernel, bytes] = {}
    with compiling(missing, target.precision) as workers:
        for kernel in workers.mine():
            progress(kernel.name, workers.done(), len(missing))
            found[kernel] = _compile(kernel, target)
        for kernel in missing:
            if kernel in found:
                continue
            while (stored := _read(_path(kernel, target))) is None and workers.running():
                progress(kernel.name, workers.done(), len(missing))
                workers.wait()
            found[kernel] = stored or _read(_path(kernel, target)) or _compile(kernel, target)
    return found


def is_stored(kernel: Kernel, precision: Precision) -> bool:
    """Return whether a kernel's object code is in the cache, whole."""
    return _read(_path(kernel, host_target(precision))) is not None


def compile_into_store(kernel: Kernel, precision: Precision) -> None:
    """Compile a kernel into the cache without loading it."""
    _compile(kernel, host_target(precision))


def source_size(kernel: Kernel) -> int:
    """Return the bytes of bytecode that a kernel reaches: about in proportion to the time its compilation takes."""
    return sum(len(item.function.__code__.co_code) for item in _closure(kernel) if isinstance(item, Function))


def _compile(kernel: Kernel, target: Target) -> bytes:
    from dlrun.kernels.build import compile_kernel

    code = compile_kernel(kernel, target, _symbol(kernel, target))
    _write(_path(kernel, target), code)
    return code


def _link(codes: Mapping[Kernel, bytes], target: Target) -> None:
    """Link the object code of kernels into this process, where it stays for the process's life, and note its places.

    All at once: LLVM's linker takes 4 ms for 18 kernels, 21 to 46 with an engine for each. None defines a symbol that
    another one has, as each exports its own alone, which its key is part of.
    """
    from llvmlite import binding

    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    machine = binding.Target.from_default_triple().create_target_machine(jit=True)
    engine = binding.create_mcjit_compiler(binding.parse_assembly(""), machine)
    for code in codes.values():
        engine.add_object_file(binding.ObjectFileRef.from_data(code))
    engine.finalize_object()
    _engines.append(engine)
    for kernel in codes:
        _loaded[kernel, target] = int(engine.get_function_address(_symbol(kernel, target)))


def _symbol(kernel: Kernel, target: Target) -> str:
    """Return what a kernel's object code calls it, and its file is called."""
    return f"{kernel.name}_{target.precision}_{kernel_key(kernel, target)[:24]}"


def _path(kernel: Kernel, target: Target) -> Path:
    return cache_folder() / f"{_symbol(kernel, target)}.o"


def _read(path: Path) -> bytes | None:
    """Return object code, or None where the file is absent or damaged (then it's compiled anew)."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    head, code = data[: len(MAGIC) + 32], data[len(MAGIC) + 32 :]
    return code if head == MAGIC + hashlib.sha256(code).digest() else None


def _write(path: Path, code: bytes) -> None:
    """Store object code whole or not at all; a cache that can't be written costs time, not the run."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(MAGIC + hashlib.sha256(code).digest() + code)
        os.replace(name, path)
    except OSError:
        return


@cache
def kernel_key(kernel: Kernel, target: Target) -> str:
    """Return the hash of everything that decides a kernel's object code."""
    digest = hashlib.sha256(_environment_key(target).encode())
    digest.update(repr([(name, kind) for name, kind in kernel.parameters.items()]).encode())
    for item in _closure(kernel):
        digest.update(_primitive_key(item, target) if isinstance(item, Primitive) else _function_key(item))
    return digest.hexdigest()


def _closure(function: Function) -> list[Function | Primitive]:
    """Return every helper and primitive that a kernel reaches, itself first, in a fixed order."""
    found: list[Function | Primitive] = [function]
    for item in found:
        if isinstance(item, Function):
            scope = item.function.__globals__
            for name in sorted(names_in(item.function.__code__)):
                value = scope.get(name)
                if isinstance(value, Function | Primitive) and value not in found:
                    found.append(value)
    return found


def names_in(code: types.CodeType) -> set[str]:
    """Return every global and attribute name that a function mentions, nested functions included."""
    return set(code.co_names).union(*(names_in(c) for c in code.co_consts if isinstance(c, types.CodeType)))


@cache
def _environment_key(target: Target) -> str:
    versions = [importlib.metadata.version(name) for name in ("numba", "llvmlite", "numpy")]
    build = b"".join(_source(f"dlrun.kernels.{name}") for name in ("build", "pipeline", "lang"))
    return repr((sys.version, versions, host_cpu(), target.of_any_width, hashlib.sha256(build).hexdigest()))


@cache
def _source(module: str) -> bytes:
    specification = importlib.util.find_spec(module)
    if specification is None or specification.origin is None:
        raise ModuleNotFoundError(module)
    return Path(specification.origin).read_bytes()


def _primitive_key(primitive: Primitive, target: Target) -> bytes:
    name = repr((primitive.where, target.vector_bytes if primitive.by_lanes else None))
    return name.encode() + _sources_digest(primitive.where.split(":")[0])


@cache
def _sources_digest(module: str) -> bytes:
    return hashlib.sha256(b"".join(map(_source, modules_behind(module)))).digest()


def modules_behind(module: str) -> list[str]:
    """Return a module and those of `dlrun.kernels` that it and they import, as their sources name them."""
    found = [module]
    for each in found:
        names = (match[1].decode() for match in IMPORT.finditer(_source(each)))
        found.extend(name for name in names if name not in found)
    return found


def _function_key(item: Function) -> bytes:
    is_apart = isinstance(item, Helper) and item.is_apart
    return repr((is_apart, *_code_parts(item.function.__code__, item.function.__globals__))).encode()


def _code_parts(code: types.CodeType, scope: dict[str, Any]) -> Iterator[Any]:
    """Yield what decides a function's meaning; not its docstring, file or line numbers."""
    yield code.co_name, code.co_code, code.co_names, code.co_varnames, code.co_freevars
    docstring = code.co_consts[0] if code.co_consts and isinstance(code.co_consts[0], str) else None
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _code_parts(constant, scope)
        elif constant is not docstring:
            yield repr(constant)
    for name in code.co_names:
        if isinstance(value := scope.get(name), bool | int | float | str | tuple):
            yield name, value
