"""What lanes come to, sums and extremes, and choices between lanes.

See :mod:`~opinionpool.kernels.lanes`.
"""

from __future__ import annotations

from typing import Any

from .jit import intrinsic, ir, types
from .lanes import LANES, call, constant_of, first_lanes, spread_over


@intrinsic
def where_equal(typingctx: Any, x: Any, value: Any) -> Any:
    """Return the first lane that holds a value, 16 if none does."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        wanted = spread_over(builder, args[1], args[0].type)
        bits = builder.bitcast(builder.fcmp_ordered("==", args[0], wanted), ir.IntType(LANES))
        first = builder.cttz(builder.zext(bits, ir.IntType(64)), ir.IntType(1)(0))
        none = builder.icmp_unsigned("==", bits, ir.IntType(LANES)(0))
        return builder.select(none, ir.IntType(64)(LANES), first)

    return types.int64(x, x.dtype), codegen


@intrinsic
def any_beyond(typingctx: Any, x: Any, most: Any) -> Any:
    """Whether a lane's absolute value is above ``most``, or is NaN."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        size, most = (
            call(builder, "llvm.fabs", args[:1]),
            spread_over(builder, args[1], args[0].type),
        )
        bits = builder.bitcast(builder.fcmp_unordered(">", size, most), ir.IntType(LANES))
        return builder.icmp_unsigned("!=", bits, ir.IntType(LANES)(0))

    return types.boolean(x, x.dtype), codegen


@intrinsic
def keep_first(typingctx: Any, x: Any, n: Any, other: Any) -> Any:
    """Return the first n lanes of x, and ``other`` in those behind them."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        rest = spread_over(builder, args[2], args[0].type)
        return builder.select(first_lanes(context, builder, args[1]), args[0], rest)

    return x(x, types.int64, x.dtype), codegen


def _reduced(builder: Any, x: Any, name: str, start: tuple[Any, ...], flags: Any = ()) -> Any:
    element = x.type.element
    kind = {ir.FloatType: "f32", ir.DoubleType: "f64", ir.IntType: "i64"}[type(element)]
    name = f"llvm.vector.reduce.{name}.v{LANES}{kind}"
    of = ir.FunctionType(element, [*(own.type for own in start), x.type])
    function = builder.module.globals.get(name) or ir.Function(builder.module, of, name)
    return builder.call(function, [*start, x], fastmath=flags)


@intrinsic
def total_of(typingctx: Any, x: Any) -> Any:
    """Return the sum of the lanes."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if isinstance(x.dtype, types.Integer):
            return _reduced(builder, args[0], "add", ())
        zero = args[0].type.element(0.0)
        return _reduced(builder, args[0], "fadd", (zero,), ("reassoc", "nsz"))

    return x.dtype(x), codegen


@intrinsic
def highest_of(typingctx: Any, x: Any) -> Any:
    """Return the largest of the lanes, none of them NaN."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _reduced(builder, args[0], "fmax", (), ("nnan", "nsz"))

    return x.dtype(x), codegen


@intrinsic
def lowest_of(typingctx: Any, x: Any) -> Any:
    """Return the smallest of the lanes, none of them NaN."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _reduced(builder, args[0], "fmin", (), ("nnan", "nsz"))

    return x.dtype(x), codegen


@intrinsic
def larger_of(typingctx: Any, x: Any, y: Any) -> Any:
    """Return the larger of two in every lane, none of them NaN."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return call(builder, "llvm.maxnum", args, ("nnan", "nsz"))

    return x(x, x), codegen


@intrinsic
def smaller_of(typingctx: Any, x: Any, y: Any) -> Any:
    """Return the smaller of two in every lane, none of them NaN."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return call(builder, "llvm.minnum", args, ("nnan", "nsz"))

    return x(x, x), codegen


@intrinsic
def zero_below(typingctx: Any, y: Any, least: Any, e: Any) -> Any:
    """Return ``e``, and 0 where y is below ``least``: of numbers or of lanes."""
    bound = getattr(y, "dtype", y)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        y, least, e = args
        if y.type != least.type:
            least = spread_over(builder, least, y.type)
        below = builder.fcmp_ordered("<", y, least)
        return builder.select(below, constant_of(e.type, 0.0), e)

    return e(y, bound, e), codegen
