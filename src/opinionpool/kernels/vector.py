"""Scalar building blocks that LLVM turns into vector instructions: maximum, pointers, prefetch.

A maximum written as ``if`` stays scalar in numba, 18 times slower (measured, float32, 20,000 ×
1,000).
"""

from __future__ import annotations

from typing import Any

from .jit import intrinsic, ir, types


def intrinsic_of(builder: Any, name: str, real: Any, n: int) -> Any:
    """Declare one of LLVM's own functions of n reals."""
    return builder.module.declare_intrinsic(name, (real,), ir.FunctionType(real, [real] * n))


@intrinsic
def pointer(typingctx: Any, address: Any, like: Any) -> Any:
    """Return an address as a pointer to cells of the dtype of the array ``like``."""
    target = types.CPointer(like.dtype)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], context.get_value_type(target))

    return target(address, like), codegen


def _apart(builder: Any) -> Any:
    """Name a scope: what is read under it is never what is written under it (LLVM, noalias)."""
    module = builder.module
    domain = module.add_metadata([ir.MetaDataString(module, "opinionpool")])
    scope = module.add_metadata([ir.MetaDataString(module, "read only"), domain])
    return module.add_metadata([scope])


@intrinsic
def cell(typingctx: Any, like: Any, address: Any, k: Any) -> Any:
    """Read cell k after an address, which no :func:`put` of the same loop writes to.

    LLVM gives up vectorising a loop that would need more than eight comparisons of addresses.
    """
    dtype = like.dtype

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, address, k = args
        place = builder.inttoptr(address, context.get_value_type(dtype).as_pointer())
        value = builder.load(builder.gep(place, [k]), align=dtype.bitwidth // 8)
        value.set_metadata("alias.scope", _apart(builder))
        return value

    return dtype(like, types.uint64, types.int64), codegen


@intrinsic
def put(typingctx: Any, array: Any, k: Any, value: Any) -> Any:
    """Set ``array[k]`` of a contiguous array to a value of its dtype; see :func:`cell`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        held, k, value = args
        start = context.make_array(array)(context, builder, value=held).data
        store = builder.store(value, builder.gep(start, [k]), align=array.dtype.bitwidth // 8)
        store.set_metadata("noalias", _apart(builder))
        return context.get_dummy_value()

    return types.void(array, types.int64, array.dtype), codegen


def _extreme(name: str, a: Any, b: Any) -> Any:
    """Return one of LLVM's functions of two reals of one dtype, neither of them NaN."""
    real = a if a == b else types.float64

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        function = intrinsic_of(builder, name, args[0].type, 2)
        return builder.call(function, args, fastmath=("nnan", "nsz"))

    return real(real, real), codegen


@intrinsic
def larger(typingctx: Any, a: Any, b: Any) -> Any:
    """Return the larger of two numbers, neither of them NaN."""
    return _extreme("llvm.maxnum", a, b)


@intrinsic
def smaller(typingctx: Any, a: Any, b: Any) -> Any:
    """Return the smaller of two numbers, neither of them NaN."""
    return _extreme("llvm.minnum", a, b)


@intrinsic
def less_two(typingctx: Any, x: Any, high: Any, low: Any) -> Any:
    """Return ``(x − high) − low`` in that order: a float64 taken from a float32 without loss.

    Where x is near ``high`` the first difference is exact (Sterbenz), else relatively small.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        x, high, low = args
        return builder.fsub(builder.fsub(x, high, flags=("nsz",)), low, flags=("nsz",))

    return x(x, x, x), codegen


@intrinsic
def prefetch(typingctx: Any, address: Any) -> Any:
    """Ask for the cache line at an address, to be read soon; any address is harmless."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        signature_of = ir.FunctionType(ir.VoidType(), [place, number, number, number])
        ask = builder.module.declare_intrinsic("llvm.prefetch", (place,), signature_of)
        # Read, keep in every level, data (LLVM language reference, llvm.prefetch).
        builder.call(ask, [builder.inttoptr(args[0], place), number(0), number(3), number(1)])
        return context.get_dummy_value()

    return types.void(types.uint64), codegen


@intrinsic
def stream_line(typingctx: Any, target: Any, source: Any) -> Any:
    """Copy 64 bytes to an address that is a multiple of 64, past the caches."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        line = ir.VectorType(ir.FloatType(), 16).as_pointer()
        cells = builder.load(builder.inttoptr(args[1], line), align=4)
        store = builder.store(cells, builder.inttoptr(args[0], line), align=64)
        one = builder.module.add_metadata([ir.IntType(32)(1)])
        store.set_metadata("nontemporal", one)
        return context.get_dummy_value()

    return types.void(types.uint64, types.uint64), codegen
