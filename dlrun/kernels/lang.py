"""The language kernels are written in: how a kernel, a helper and a primitive are declared.

A kernel is a small function over addresses and sizes that every thread of a step calls with its own number:

    @kernel
    def add_forward(a: In, b: In, y: Out, rows: Rows, size: Size, thread: Thread, threads: Threads) -> None:
        for i in range(first_of(rows, thread, threads) * size, last_of(rows, thread, threads) * size):
            y[i] = a[i] + b[i]

Its parameters' annotations say what the plan must supply and what the kernel does with it; from them the compiler
knows which buffers a call reads and writes. Declaring a kernel costs nothing: Numba is imported only when a kernel
has to be compiled, which happens once per machine (`dlrun.kernels.store`).

The same source serves float32 and float64: `real(...)` makes a constant of the run's real type. Kernels allocate
nothing (they are compiled without Numba's runtime, so an allocation doesn't compile) and raise nothing.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

Precision = Literal["float32", "float64"]
Access = Literal["read", "write", "update", "none"]


@dataclass(frozen=True)
class ParameterKind:
    """What a kernel's parameter is: `load` is how the entry stub reads it from slot `{i}` of the argument block."""

    name: str
    load: str
    type: str
    dtype: str | None = None
    access: Access = "none"


def _pointer(name: str, dtype: str, access: Access) -> ParameterKind:
    return ParameterKind(name, f"pointer_to_{dtype}(slots[{{i}}])", f"pointer_{dtype}", dtype, access)


if TYPE_CHECKING:  # a kernel's body is typed by Numba, not by the checker
    In: TypeAlias = Any
    Out: TypeAlias = Any
    InOut: TypeAlias = Any
    InInt: TypeAlias = Any
    OutInt: TypeAlias = Any
    InLong: TypeAlias = Any
    OutLong: TypeAlias = Any
    InBytes: TypeAlias = Any
    OutBytes: TypeAlias = Any
    InFloat: TypeAlias = Any
    InDouble: TypeAlias = Any
    OutDouble: TypeAlias = Any
    InOutDouble: TypeAlias = Any
    Scratch: TypeAlias = Any
    """This thread's own working memory, of the size the plan asked for; its content doesn't outlive the call."""
    Update: TypeAlias = Any
    """What becomes of a finished gradient: pass it to `apply_update`."""
    Size: TypeAlias = Any
    """A whole number fixed when the plan is made."""
    Number: TypeAlias = Any
    """A real number fixed when the plan is made."""
    Live: TypeAlias = Any
    """A whole number that changes from step to step: read from the step's state."""
    Thread: TypeAlias = Any
    Threads: TypeAlias = Any
    Gradient: TypeAlias = Any
    """In an update kernel: the address of the gradient's entries [start, start + count)."""
    Start: TypeAlias = Any
    Count: TypeAlias = Any
else:
    In, Out, InOut = (
        _pointer("In", "real", "read"),
        _pointer("Out", "real", "write"),
        _pointer("InOut", "real", "update"),
    )
    InInt, OutInt = _pointer("InInt", "int32", "read"), _pointer("OutInt", "int32", "write")
    InLong, OutLong = _pointer("InLong", "int64", "read"), _pointer("OutLong", "int64", "write")
    InBytes, OutBytes = _pointer("InBytes", "uint8", "read"), _pointer("OutBytes", "uint8", "write")
    InFloat = _pointer("InFloat", "float32", "read")
    InDouble, OutDouble = _pointer("InDouble", "float64", "read"), _pointer("OutDouble", "float64", "write")
    InOutDouble = _pointer("InOutDouble", "float64", "update")
    Scratch = ParameterKind("Scratch", "pointer_to_real(slots[{i}] + thread * slots[{i} + 1])", "pointer_real", "real")
    Update = ParameterKind("Update", "slots[{i}]", "int64")
    Size = ParameterKind("Size", "slots[{i}]", "int64")
    Number = ParameterKind("Number", "number(slots, {i})", "real")
    Live = ParameterKind("Live", "pointer_to_int64(slots[{i}])[0]", "int64")
    Thread = ParameterKind("Thread", "thread", "int64")
    Threads = ParameterKind("Threads", "threads", "int64")
    Gradient = ParameterKind("Gradient", "pointer_to_real(thread)", "pointer_real")
    Start = ParameterKind("Start", "threads", "int64")
    Count = ParameterKind("Count", "count", "int64")

KINDS: dict[str, ParameterKind] = {
    kind.name: kind for kind in list(globals().values()) if isinstance(kind, ParameterKind)
}
IMPLICIT = frozenset({"Thread", "Threads", "Gradient", "Start", "Count"})
"""Parameters that the executor supplies; the others stand in the call's argument block."""


class Function:
    """A Python function of the kernel language; its globals may name other helpers and primitives."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.name = function.__name__
        self.__doc__ = function.__doc__

    def __repr__(self) -> str:
        return f"<{type(self).__name__.lower()} {self.function.__module__}.{self.name}>"


class Helper(Function):
    """A function that kernels call; compiled into them. Its parameters need no annotations.

    One that is `apart` promises that what it writes by one pointer it reaches by no other, so that its loops need not
    find that out each time that it is called. It is optimised by itself first, and then with its callers; others are
    optimised with their callers alone.
    """

    def __init__(self, function: Callable[..., Any], is_apart: bool = False) -> None:
        super().__init__(function)
        self.is_apart = is_apart

    def __call__(self, *arguments: Any) -> Any:
        """Exist for type checkers: helpers run inside kernels only."""
        raise TypeError(f"{self.name} is a kernel helper: it runs inside a compiled kernel")


class Kernel(Function):
    """A function that plans call, with its parameters' kinds by name.

    One that declares `-> int` returns a status: anything but 0 ends the step for every thread, so all threads must
    come to the same status.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self.parameters: dict[str, ParameterKind] = {}
        annotations = inspect.get_annotations(function)
        self.has_status = annotations.pop("return", None) not in (None, "None")
        for name, annotation in annotations.items():
            self.parameters[name] = KINDS[annotation] if isinstance(annotation, str) else annotation
        code = function.__code__
        if list(self.parameters) != list(code.co_varnames[: code.co_argcount]):
            raise TypeError(f"kernel {self.name}: every parameter needs a kind")

    @property
    def arguments(self) -> dict[str, ParameterKind]:
        """The parameters that a call must supply, in order."""
        return {name: kind for name, kind in self.parameters.items() if kind.name not in IMPLICIT}

    @property
    def slots(self) -> dict[str, int]:
        """The first slot of each argument in the argument block (a Scratch takes two: address and stride)."""
        result, slot = {}, 0
        for name, kind in self.arguments.items():
            result[name] = slot
            slot += 2 if kind is KINDS["Scratch"] else 1
        return result


class Primitive:
    """Something that Numba source can't say: an intrinsic, a type or a constant of the compilation target.

    `where` is "module:function"; that function is called with the Target and returns what Numba shall see. Unless
    it goes `by_lanes`, it sees a Target without a vector width, and its kernels are compiled once for all widths.
    """

    def __init__(self, where: str, by_lanes: bool = False) -> None:
        self.where = where
        self.by_lanes = by_lanes

    def __call__(self, *arguments: Any) -> Any:
        """Exist for type checkers: primitives run inside kernels only."""
        raise TypeError(f"{self.where} runs inside a compiled kernel")


def kernel(function: Callable[..., Any]) -> Kernel:
    """Declare a kernel."""
    return Kernel(function)


def helper(function: Callable[..., Any]) -> Helper:
    """Declare a helper."""
    return Helper(function)


def helper_apart(function: Callable[..., Any]) -> Helper:
    """Declare a helper whose pointers lead to memory apart from each other, as far as it writes there."""
    return Helper(function, is_apart=True)


_INTRINSICS = "dlrun.kernels.intrinsics"
real: Any = Primitive(f"{_INTRINSICS}:real")
"""real(x): x as the run's real type."""
lanes: Any = Primitive(f"{_INTRINSICS}:lanes", by_lanes=True)
"""How many reals one vector register holds."""
shift = Primitive(f"{_INTRINSICS}:shift")
"""shift(p, n): the pointer n elements after p."""
address = Primitive(f"{_INTRINSICS}:address")
"""address(p): the pointer as a whole number."""
call_kernel = Primitive(f"{_INTRINSICS}:call_kernel")
"""call_kernel(function, block, a, b, c): call a compiled kernel by its address; returns its status."""
nonzero_bits = Primitive(f"{_INTRINSICS}:nonzero_bits", by_lanes=True)
"""nonzero_bits(p): which of the `lanes` reals from p on aren't zero, the first in the lowest bit; NaN isn't zero."""
append_bits = Primitive(f"{_INTRINSICS}:append_bits")
"""append_bits(index, n, bits, k): index[n], index[n + 1], .. = k + the places of the eight bits that are set; returns
the n after them. It writes eight places in any case."""
select = Primitive(f"{_INTRINSICS}:select")
"""select(c, a, b): a if c else b, without a branch; both are evaluated."""
pointer_to_real = Primitive(f"{_INTRINSICS}:pointer_to_real")
pointer_to_float32 = Primitive(f"{_INTRINSICS}:pointer_to_float32")
pointer_to_float64 = Primitive(f"{_INTRINSICS}:pointer_to_float64")
pointer_to_int32 = Primitive(f"{_INTRINSICS}:pointer_to_int32")
int32: Any = Primitive("dlrun.kernels.whole:int32")
pointer_to_int64 = Primitive(f"{_INTRINSICS}:pointer_to_int64")
pointer_to_uint8 = Primitive(f"{_INTRINSICS}:pointer_to_uint8")
number = Primitive(f"{_INTRINSICS}:number")
atomic_add = Primitive(f"{_INTRINSICS}:atomic_add")
atomic_load = Primitive(f"{_INTRINSICS}:atomic_load")
atomic_store = Primitive(f"{_INTRINSICS}:atomic_store")
spin_pause = Primitive(f"{_INTRINSICS}:spin_pause")
flush_denormals = Primitive(f"{_INTRINSICS}:flush_denormals")
keep_denormals = Primitive(f"{_INTRINSICS}:keep_denormals")
tile = Primitive("dlrun.kernels.tile:tile", by_lanes=True)
"""The register tile of every matrix product: see dlrun.kernels.tile."""
tile_from = Primitive("dlrun.kernels.tile:tile_from", by_lanes=True)
"""The tile whose rows' start values stand anywhere."""
descend = Primitive("dlrun.kernels.tile:descend", by_lanes=True)
"""The tile that steps down the gradient it makes."""
listed_row = Primitive("dlrun.kernels.tile:listed_row", by_lanes=True)
"""The row of a tile over a list of terms."""
descend_listed_row = Primitive("dlrun.kernels.tile:descend_listed_row", by_lanes=True)
tile_rows: Any = Primitive("dlrun.kernels.tile:tile_rows", by_lanes=True)
middle_tile_rows: Any = Primitive("dlrun.kernels.tile:middle_tile_rows", by_lanes=True)
small_tile_rows: Any = Primitive("dlrun.kernels.tile:small_tile_rows", by_lanes=True)
tile_columns: Any = Primitive("dlrun.kernels.tile:tile_columns", by_lanes=True)
"""The most columns of a tile; at most `MOST_COLUMNS` of `dlrun.kernels.target`, for which memory is sized."""


@helper
def first_of(count, thread, threads):  # type: ignore[no-untyped-def]
    """Return the first of `count` items that belongs to this thread."""
    return count * thread // threads


@helper
def last_of(count, thread, threads):  # type: ignore[no-untyped-def]
    """Return the end (exclusive) of the items that belong to this thread."""
    return count * (thread + 1) // threads


@helper
def apply_update(update, gradient, start, count):  # type: ignore[no-untyped-def]
    """Hand the finished gradient's entries [start, start + count), at `gradient`, to the chain of update kernels.

    The chain (a list of function and argument block) stores the gradient, or regularises, clips and applies the
    optimizer to the same entries of the weights at once, while all of them are in cache.
    """
    chain = pointer_to_int64(update)
    for i in range(chain[0]):
        call_kernel(chain[1 + 2 * i], chain[2 + 2 * i], address(gradient), start, count)
