"""Scalar building blocks that LLVM turns into vector instructions: maximum, views, prefetch.

A maximum written as ``if`` stays scalar in numba, 18 times slower (measured, float32, 20,000 ×
1,000).
"""

from __future__ import annotations

from typing import Any

from .jit import AVAILABLE, intrinsic, ir, types

if AVAILABLE:
    from numba.np.arrayobj import populate_array


def intrinsic_of(builder: Any, name: str, real: Any, n: int) -> Any:
    """Declare one of LLVM's own functions of n reals."""
    return builder.module.declare_intrinsic(name, (real,), ir.FunctionType(real, [real] * n))


@intrinsic
def view(typingctx: Any, address: Any, like: Any, n: Any) -> Any:
    """Return the n cells of the dtype of ``like`` at an address as an array that owns nothing."""
    kind = types.Array(like.dtype, 1, "C")

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address, _, n = args
        array = context.make_array(kind)(context, builder)
        data = builder.inttoptr(address, context.get_value_type(like.dtype).as_pointer())
        size = n.type(like.dtype.bitwidth // 8)
        populate_array(array, data, [n], [size], size, None)
        return array._getvalue()

    return kind(types.uint64, like, types.int64), codegen


@intrinsic
def cell(typingctx: Any, like: Any, address: Any, k: Any) -> Any:
    """Read cell k after an address."""
    dtype = like.dtype

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, address, k = args
        place = builder.inttoptr(address, context.get_value_type(dtype).as_pointer())
        return builder.load(builder.gep(place, [k]), align=dtype.bitwidth // 8)

    return dtype(like, types.uint64, types.int64), codegen


@intrinsic
def larger(typingctx: Any, a: Any, b: Any) -> Any:
    """Return the larger of two numbers, neither of them NaN."""
    real = a if a == b else types.float64

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        function = intrinsic_of(builder, "llvm.maxnum", args[0].type, 2)
        return builder.call(function, args, fastmath=("nnan", "nsz"))

    return real(real, real), codegen


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
