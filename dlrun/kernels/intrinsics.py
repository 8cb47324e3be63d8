"""What the kernel language needs from LLVM directly. Imported only when a kernel is compiled.

Each public function takes the compilation Target and returns what Numba shall see under the primitive's name.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from dlrun.kernels.target import Target

I8, I32, I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
NUMBA_TYPES = {
    "float32": types.float32,
    "float64": types.float64,
    "int32": types.int32,
    "int64": types.int64,
    "uint8": types.uint8,
}


def numba_type(dtype: str, target: Target) -> Any:
    """Return the Numba type of a dtype; "real" is the target's."""
    return NUMBA_TYPES[target.precision if dtype == "real" else dtype]


def real(target: Target) -> Any:
    """Return the real type, which as a call converts to it."""
    return numba_type("real", target)


def lanes(target: Target) -> int:
    """Return how many reals a vector register holds."""
    return target.lanes


@cache
def _pointer_to(element: Any) -> Any:
    @intrinsic  # type: ignore[untyped-decorator]
    def view(typingctx: Any, at: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return builder.inttoptr(args[0], context.get_value_type(sig.return_type))

        return types.CPointer(element)(types.int64), codegen

    return view


def pointer_to_real(target: Target) -> Any:
    """Return a view of an address as reals."""
    return _pointer_to(numba_type("real", target))


def pointer_to_float32(target: Target) -> Any:
    """Return a view of an address as float32."""
    return _pointer_to(types.float32)


def pointer_to_float64(target: Target) -> Any:
    """Return a view of an address as float64."""
    return _pointer_to(types.float64)


def pointer_to_int32(target: Target) -> Any:
    """Return a view of an address as int32."""
    return _pointer_to(types.int32)


def pointer_to_int64(target: Target) -> Any:
    """Return a view of an address as int64."""
    return _pointer_to(types.int64)


def pointer_to_uint8(target: Target) -> Any:
    """Return a view of an address as uint8."""
    return _pointer_to(types.uint8)


@intrinsic  # type: ignore[untyped-decorator]
def _shift(typingctx: Any, pointer: Any, count: Any) -> Any:
    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.gep(args[0], [args[1]])

    return pointer(pointer, types.int64), codegen


def shift(target: Target) -> Any:
    """Return pointer arithmetic."""
    return _shift


@intrinsic  # type: ignore[untyped-decorator]
def _address(typingctx: Any, pointer: Any) -> Any:
    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.ptrtoint(args[0], I64)

    return types.int64(pointer), codegen


def address(target: Target) -> Any:
    """Return the conversion of a pointer to a whole number."""
    return _address


@cache
def _number(precision: str) -> Any:
    result = NUMBA_TYPES[precision]

    @intrinsic  # type: ignore[untyped-decorator]
    def load(typingctx: Any, slots: Any, i: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            place = builder.bitcast(builder.gep(args[0], [args[1]]), ir.DoubleType().as_pointer())
            value = builder.load(place)
            return builder.fptrunc(value, ir.FloatType()) if precision == "float32" else value

        return result(slots, types.int64), codegen

    return load


def number(target: Target) -> Any:
    """Return the reading of a float64 from a slot, as a real."""
    return _number(target.precision)


@intrinsic  # type: ignore[untyped-decorator]
def _call_kernel(typingctx: Any, function: Any, block: Any, a: Any, b: Any, c: Any) -> Any:
    """Call through Numba's own convention: status f(result*, exception**, block, a, b, c)."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        result = cgutils.alloca_once(builder, I64)
        exception = cgutils.alloca_once(builder, I8.as_pointer())
        kind = ir.FunctionType(I32, [I64.as_pointer(), I8.as_pointer().as_pointer()] + [I64] * 4)
        builder.call(builder.inttoptr(args[0], kind.as_pointer()), [result, exception, *args[1:]])
        return builder.load(result)

    return types.int64(*[types.int64] * 5), codegen


@cache
def _nonzero_bits(lanes: int, precision: str) -> Any:
    scalar, size = (ir.FloatType(), 4) if precision == "float32" else (ir.DoubleType(), 8)
    vector = ir.VectorType(scalar, lanes)

    @intrinsic  # type: ignore[untyped-decorator]
    def bits(typingctx: Any, pointer: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            values = builder.load(builder.bitcast(args[0], vector.as_pointer()), align=size)
            differ = builder.fcmp_unordered("!=", values, ir.Constant(vector, [0.0] * lanes))
            return builder.zext(builder.bitcast(differ, ir.IntType(lanes)), I64)

        return types.int64(pointer), codegen

    return bits


PLACES = [sum(place << 8 * i for i, place in enumerate(p for p in range(8) if byte >> p & 1)) for byte in range(256)]
"""The places of each byte's set bits, a byte for each, the lowest first."""


@intrinsic  # type: ignore[untyped-decorator]
def _append_bits(typingctx: Any, index: Any, n: Any, bits: Any, first: Any) -> Any:
    """Look the places of eight bits up, and store eight of them, whatever comes after the last."""
    eight = ir.VectorType(I32, 8)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        to, n, bits, first = args
        table = cgutils.global_constant(builder, "places_of_bits", ir.Constant(ir.ArrayType(I64, 256), PLACES))
        packed = builder.load(builder.gep(table, [I64(0), bits]))
        places = builder.zext(builder.bitcast(packed, ir.VectorType(I8, 8)), eight)
        start = builder.insert_element(ir.Constant(eight, ir.Undefined), builder.trunc(first, I32), I32(0))
        spread = builder.shuffle_vector(start, ir.Constant(eight, ir.Undefined), ir.Constant(eight, [0] * 8))
        target = builder.bitcast(builder.gep(to, [n]), eight.as_pointer())
        builder.store(builder.add(places, spread), target, align=4)
        return builder.add(n, builder.ctpop(bits))

    return types.int64(types.CPointer(types.int32), *[types.int64] * 3), codegen


def append_bits(target: Target) -> Any:
    """Return what lists the places of set bits."""
    return _append_bits


def nonzero_bits(target: Target) -> Any:
    """Return the comparison of a vector with zero, as bits."""
    return _nonzero_bits(target.lanes, target.precision)


def call_kernel(target: Target) -> Any:
    """Return the call of a compiled kernel by address."""
    return _call_kernel


_BITS = {types.float32: types.int32, types.float64: types.int64}


@intrinsic  # type: ignore[untyped-decorator]
def _to_bits(typingctx: Any, value: Any) -> Any:
    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.bitcast(args[0], context.get_value_type(sig.return_type))

    return _BITS[value](value), codegen


@intrinsic  # type: ignore[untyped-decorator]
def _from_bits(typingctx: Any, value: Any) -> Any:
    wanted = types.float32 if value == types.int32 else types.float64

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.bitcast(args[0], context.get_value_type(wanted))

    return wanted(value), codegen


@intrinsic  # type: ignore[untyped-decorator]
def _select(typingctx: Any, condition: Any, a: Any, b: Any) -> Any:
    if a != b:
        return None

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.select(args[0], args[1], args[2])

    return a(types.boolean, a, b), codegen


def select(target: Target) -> Any:
    """Return the choice without a branch."""
    return _select


@intrinsic  # type: ignore[untyped-decorator]
def _atomic_add(typingctx: Any, at: Any, value: Any) -> Any:
    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.atomic_rmw("add", builder.inttoptr(args[0], I64.as_pointer()), args[1], "seq_cst")

    return types.int64(types.int64, types.int64), codegen


@intrinsic  # type: ignore[untyped-decorator]
def _atomic_load(typingctx: Any, at: Any) -> Any:
    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load_atomic(builder.inttoptr(args[0], I64.as_pointer()), "acquire", 8)

    return types.int64(types.int64), codegen


@intrinsic  # type: ignore[untyped-decorator]
def _atomic_store(typingctx: Any, at: Any, value: Any) -> Any:
    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store_atomic(args[1], builder.inttoptr(args[0], I64.as_pointer()), "release", 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


def atomic_add(target: Target) -> Any:
    """Return fetch-and-add on an int64 at an address."""
    return _atomic_add


def atomic_load(target: Target) -> Any:
    """Return an acquiring load of an int64 at an address."""
    return _atomic_load


def atomic_store(target: Target) -> Any:
    """Return a releasing store of an int64 at an address."""
    return _atomic_store


@cache
def _spin_pause(x86: bool) -> Any:
    @intrinsic  # type: ignore[untyped-decorator]
    def operation(typingctx: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            if x86:
                pause = ir.FunctionType(ir.VoidType(), [])
                builder.call(cgutils.get_or_insert_function(builder.module, pause, "llvm.x86.sse2.pause"), [])
            return context.get_dummy_value()

        return types.void(), codegen

    return operation


def spin_pause(target: Target) -> Any:
    """Return the processor's hint that this is a spin loop."""
    return _spin_pause(target.x86)


def _floating_control(builder: Any, access: str, slot: Any) -> None:
    """Store the control word of this thread's floating-point unit into a slot ("st"), or load it from there ("ld")."""
    kind = ir.FunctionType(ir.VoidType(), [I8.as_pointer()])
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.x86.sse.{access}mxcsr")
    builder.call(function, [builder.bitcast(slot, I8.as_pointer())])


@cache
def _flush_denormals(x86: bool) -> Any:
    @intrinsic  # type: ignore[untyped-decorator]
    def operation(typingctx: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            if not x86:
                return I32(0)
            slot = cgutils.alloca_once(builder, I32)
            _floating_control(builder, "st", slot)
            before = builder.load(slot)
            builder.store(builder.or_(before, I32(0x8040)), slot)
            _floating_control(builder, "ld", slot)
            return before

        return types.int32(), codegen

    return operation


def flush_denormals(target: Target) -> Any:
    """Return what sets this thread's flush-to-zero and denormals-are-zero bits, and gives what `keep_denormals` needs.

    Adam's moments decay into denormals, which are slow.
    """
    return _flush_denormals(target.x86)


@cache
def _keep_denormals(x86: bool) -> Any:
    @intrinsic  # type: ignore[untyped-decorator]
    def operation(typingctx: Any, before: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            if x86:
                slot = cgutils.alloca_once(builder, I32)
                builder.store(args[0], slot)
                _floating_control(builder, "ld", slot)
            return context.get_dummy_value()

        return types.void(types.int32), codegen

    return operation


def keep_denormals(target: Target) -> Any:
    """Return what gives this thread back the floating-point environment that it had before `flush_denormals`."""
    return _keep_denormals(target.x86)
