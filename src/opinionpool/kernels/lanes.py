"""Sixteen numbers at a time, said explicitly: a type of numba's for LLVM's vectors.

Design
------
LLVM turns plain loops over cells into loops over vectors, but not loops that also fetch memory
ahead, nor does it cover what is left of a row by a mask: rows of 131 classes then spend as long on
their last three as on the others. So the passes over wide rows are written in vectors.
:class:`Lanes` are 16 numbers of one dtype: one AVX-512 register of float32, two of float64; LLVM
splits them for machines that have less. They have ``+``, ``-`` and ``*``, also with a scalar, and
whatever polynomials are made of.
"""

from __future__ import annotations

import operator
from typing import Any

from .jit import AVAILABLE, intrinsic, ir, types

#: Numbers of a vector.
LANES = 16
#: Products may be fused with sums; what is written as equal sums of equal numbers stays equal.
_FLAGS = ("contract", "nsz")

if AVAILABLE:
    from numba.core.typing.templates import AbstractTemplate, infer_global, signature
    from numba.extending import lower_builtin, models, register_model

    class Lanes(types.Type):  # type: ignore[misc]
        """Sixteen numbers of a dtype."""

        def __init__(self, dtype: Any) -> None:
            self.dtype = dtype
            super().__init__(name=f"Lanes({dtype})")

    @register_model(Lanes)
    class _LanesModel(models.PrimitiveModel):  # type: ignore[misc]
        def __init__(self, dmm: Any, of: Any) -> None:
            super().__init__(dmm, of, vector_of(of.dtype))

    def _register(function: Any, instruction: str) -> None:
        """Give lanes one of Python's operators, with lanes or a scalar on either side."""

        @infer_global(function)
        class _Operator(AbstractTemplate):  # type: ignore[misc]
            # Asked before numba's own, some thirty for each operator, which take their time.
            metadata = {"target": "cpu"}  # noqa: RUF012

            def generic(self, args: Any, kws: Any) -> Any:
                kinds = [own for own in args if isinstance(own, Lanes)]
                if not kinds:
                    return None
                kind = kinds[0]
                sides = [own if isinstance(own, Lanes) else kind.dtype for own in args]
                return signature(kind, *sides)

        def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            width = context.get_value_type(sig.return_type)
            pairs = zip(sig.args, args, strict=True)
            sides = [
                x if isinstance(t, Lanes) else spread_over(builder, x, width) for t, x in pairs
            ]
            if isinstance(width.element, ir.IntType):
                return getattr(builder, instruction[1:])(*sides)
            return getattr(builder, instruction)(*sides, flags=_FLAGS)

        number = types.Number
        for sides in ((Lanes, Lanes), (Lanes, number), (number, Lanes)):
            lower_builtin(function, *sides)(lower)

    _register(operator.add, "fadd")
    _register(operator.sub, "fsub")
    _register(operator.mul, "fmul")


def vector_of(dtype: Any) -> Any:
    """Return LLVM's type of lanes of a dtype."""
    if isinstance(dtype, types.Integer):
        return ir.VectorType(ir.IntType(dtype.bitwidth), LANES)
    element = {32: ir.FloatType, 64: ir.DoubleType}[dtype.bitwidth]()
    return ir.VectorType(element, LANES)


def constant_of(kind: Any, value: float | int) -> Any:
    """Return a constant of a type, in all lanes if it has lanes."""
    if isinstance(kind, ir.VectorType):
        return ir.Constant(kind, [kind.element(value)] * kind.count)
    return kind(value)


def bits_of(kind: Any) -> Any:
    """Return the type of the bits of numbers of a type, as integers."""
    if isinstance(kind, ir.VectorType):
        return ir.VectorType(bits_of(kind.element), kind.count)
    return ir.IntType(64 if isinstance(kind, ir.DoubleType) else 32)


def call(builder: Any, name: str, args: Any, flags: Any = ()) -> Any:
    """Call one of LLVM's own functions of numbers, or lanes, of one type."""
    kind = args[0].type
    element, width = getattr(kind, "element", kind), f"v{LANES}" if hasattr(kind, "count") else ""
    name = f"{name}.{width}f{32 if isinstance(element, ir.FloatType) else 64}"
    of = ir.FunctionType(kind, [kind] * len(args))
    function = builder.module.globals.get(name) or ir.Function(builder.module, of, name)
    return builder.call(function, args, fastmath=flags)


def spread_over(builder: Any, x: Any, kind: Any) -> Any:
    """Write a scalar into every lane."""
    number = ir.IntType(32)
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), x, number(0))
    zeros = ir.Constant(ir.VectorType(number, kind.count), [number(0)] * kind.count)
    return builder.shuffle_vector(one, ir.Constant(kind, ir.Undefined), zeros)


@intrinsic
def size_of(typingctx: Any, like: Any) -> Any:
    """Return the bytes of a cell, or lane, which LLVM then knows (``itemsize`` is looked up)."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return ir.IntType(64)(like.dtype.bitwidth // 8)

    return types.int64(like), codegen


@intrinsic
def start_of(typingctx: Any, array: Any) -> Any:
    """Return the address of an array's first item (``ctypes.data`` would count references)."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = context.make_array(array)(context, builder, value=args[0]).data
        return builder.ptrtoint(data, context.get_value_type(types.uint64))

    return types.uint64(array), codegen


@intrinsic
def borrowed(typingctx: Any, array: Any) -> Any:
    """Return an array without its owner, so that nobody counts references to it.

    numba counts, atomically, whenever an array is handed on: a third of the time of rows of 131
    classes. The owner has to outlive it: see :func:`keep`.
    """

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        held = context.make_array(array)(context, builder, value=args[0])
        held.meminfo = held.meminfo.type(None)
        held.parent = held.parent.type(None)
        return held._getvalue()

    return array(array), codegen


@intrinsic
def keep(typingctx: Any, owners: Any) -> Any:
    """Use something, so that it is not freed before."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return context.get_dummy_value()

    return types.void(owners), codegen


@intrinsic
def spread(typingctx: Any, like: Any, x: Any) -> Any:
    """Return lanes of the dtype of ``like`` that all hold x."""
    kind = Lanes(like.dtype)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return spread_over(builder, args[1], context.get_value_type(kind))

    return kind(like, like.dtype), codegen


def _place(context: Any, builder: Any, like: Any, address: Any, k: Any) -> Any:
    """Return the address of cell k as a pointer to lanes."""
    element = context.get_value_type(like.dtype).as_pointer()
    cell = builder.gep(builder.inttoptr(address, element), [k])
    return builder.bitcast(cell, vector_of(like.dtype).as_pointer())


@intrinsic
def load(typingctx: Any, like: Any, address: Any, k: Any) -> Any:
    """Return the 16 cells of the dtype of ``like`` from cell k after an address on."""
    kind = Lanes(like.dtype)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        place = _place(context, builder, like, args[1], args[2])
        return builder.load(place, align=like.dtype.bitwidth // 8)

    return kind(like, types.uint64, types.int64), codegen


def masked(builder: Any, place: Any, mask: Any, size: int, rest: Any) -> Any:
    """Load the lanes of a mask, and ``rest`` in the others, whose memory is not touched."""
    kind = rest.type
    letter = "i" if isinstance(kind.element, ir.IntType) else "f"
    of = ir.FunctionType(kind, [place.type, ir.IntType(32), mask.type, kind])
    name = f"llvm.masked.load.v{kind.count}{letter}{8 * size}.p0"
    function = builder.module.globals.get(name) or ir.Function(builder.module, of, name)
    return builder.call(function, [place, ir.IntType(32)(size), mask, rest])


def first_lanes(context: Any, builder: Any, n: Any, lanes: int = LANES) -> Any:
    """Return the mask of the first n lanes."""
    number = ir.VectorType(ir.IntType(64), lanes)
    places = ir.Constant(number, [ir.IntType(64)(i) for i in range(lanes)])
    return builder.icmp_signed("<", places, spread_over(builder, n, number))


@intrinsic
def load_first(typingctx: Any, like: Any, address: Any, k: Any, n: Any) -> Any:
    """Return the first n of 16 cells, and 0 for the others, which are not touched."""
    kind = Lanes(like.dtype)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        place, vector = _place(context, builder, like, args[1], args[2]), vector_of(like.dtype)
        mask = first_lanes(context, builder, args[3])
        size = like.dtype.bitwidth // 8
        return masked(builder, place, mask, size, constant_of(vector, 0.0))

    return kind(like, types.uint64, types.int64, types.int64), codegen


@intrinsic
def store(typingctx: Any, array: Any, k: Any, x: Any) -> Any:
    """Set ``array[k:k + 16]`` of a contiguous array; scratch memory has room behind its end."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        held, k, x = args
        start = context.make_array(array)(context, builder, value=held).data
        place = builder.bitcast(builder.gep(start, [k]), x.type.as_pointer())
        builder.store(x, place, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, types.int64, x), codegen


@intrinsic
def stream(typingctx: Any, address: Any, x: Any) -> Any:
    """Write lanes to an address that is a multiple of 64, past the caches."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        place = builder.inttoptr(args[0], args[1].type.as_pointer())
        written = builder.store(args[1], place, align=64)
        written.set_metadata("nontemporal", builder.module.add_metadata([ir.IntType(32)(1)]))
        return context.get_dummy_value()

    return types.void(types.uint64, x), codegen


@intrinsic
def wide(typingctx: Any, x: Any) -> Any:
    """Return lanes as float64."""
    kind = Lanes(types.float64)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        same = x.dtype == types.float64
        return args[0] if same else builder.fpext(args[0], context.get_value_type(kind))

    return kind(x), codegen


@intrinsic
def rounded(typingctx: Any, like: Any, x: Any) -> Any:
    """Return lanes in the dtype of ``like``."""
    kind = Lanes(like.dtype)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if like.dtype == x.dtype:
            return args[1]
        convert = builder.fpext if like.dtype == types.float64 else builder.fptrunc
        return convert(args[1], context.get_value_type(kind))

    return kind(like, x), codegen
