"""Scratch memory of compiled kernels: zeros, far from all else.

Written in LLVM's intermediate language: NumPy's constructors are functions that numba compiles
one by one, some 50 of them for these few lines, which took a fifth of the first use.
"""

from __future__ import annotations

from typing import Any

from .jit import AVAILABLE, intrinsic, ir, types

if AVAILABLE:
    from numba.core import cgutils
    from numba.np.arrayobj import populate_array

#: Cells left free on both sides of every piece of scratch memory, at least 512 bytes. LLVM runs a
#: loop over vectors only if its arrays are further apart than those (at most 4 of 64 bytes), so
#: that without this the order of sums would depend on what the allocator had at hand.
GUARD = 128
#: Bytes of a line of cache. Vectors that straddle two lines are stored at half the speed.
_LINE = 64


def _zeros(context: Any, builder: Any, kind: Any, shape: Any) -> Any:
    """Write what makes an array of zeros, at the start of a cache line."""
    number, item = ir.IntType(64), context.get_value_type(kind.dtype)
    itemsize = number(kind.dtype.bitwidth // 8)
    strides, cells = [itemsize], shape[-1]
    for length in shape[-2::-1]:
        strides.insert(0, builder.mul(cells, itemsize))
        cells = builder.mul(cells, length)
    size = builder.mul(builder.add(cells, number(3 * GUARD)), itemsize)
    owner = context.nrt.meminfo_alloc(builder, size)
    memory = context.nrt.meminfo_data(builder, owner)
    cgutils.memset(builder, memory, size, 0)
    free = builder.add(builder.ptrtoint(memory, number), builder.mul(itemsize, number(GUARD)))
    first = builder.and_(builder.add(free, number(_LINE - 1)), number(-_LINE))
    array = context.make_array(kind)(context, builder)
    populate_array(
        array, builder.inttoptr(first, item.as_pointer()), shape, strides, itemsize, owner
    )
    return array._getvalue()


@intrinsic
def scratch(typingctx: Any, n: Any, like: Any) -> Any:
    """Return n zeros of the dtype of ``like``."""
    kind = types.Array(like.dtype, 1, "C")

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _zeros(context, builder, kind, [args[0]])

    return kind(types.int64, like), codegen


@intrinsic
def table(typingctx: Any, m: Any, n: Any, like: Any) -> Any:
    """Return (m, n) zeros of the dtype of ``like``, rows side by side."""
    kind = types.Array(like.dtype, 2, "C")

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _zeros(context, builder, kind, list(args[:2]))

    return kind(types.int64, types.int64, like), codegen


@intrinsic
def scratch_rows(typingctx: Any, m: Any, n: Any, like: Any) -> Any:
    """Return (m, n) zeros, rows apart by more than n.

    Where they were apart by a power of two they would compete for the same few lines of cache.
    """
    kind = types.Array(like.dtype, 2, "C")

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        number = ir.IntType(64)
        wide = builder.and_(builder.add(args[1], number(15)), number(-16))
        return _zeros(context, builder, kind, [args[0], builder.add(wide, number(48))])

    return kind(types.int64, types.int64, like), codegen
