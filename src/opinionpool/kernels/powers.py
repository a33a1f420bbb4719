"""exp and log of one number or of lanes, in arithmetic that vector instructions have.

``math.exp`` stays scalar in numba, 7 times slower (measured, float32, 20,000 × 1,000). Everything
here is free of branches instead, and the same for a number in a loop that LLVM turns into vectors
and for :mod:`~opinionpool.kernels.lanes`.
"""

from __future__ import annotations

from typing import Any

from .jit import intrinsic, part, types
from .lanes import bits_of, call, constant_of, size_of
from .reductions import zero_below
from .vector import intrinsic_of

LOG2_E = 1.44269504088896338700
#: ln 2 in two parts; products of the first with an exponent are exact (fdlibm's e_exp.c).
_LN2 = (6.93147180369123816490e-01, 1.90821492927058770002e-10)
#: The nearest float32, and what is left.
_LOG2_E32 = (1.44269502162933349609, 1.92596299112661746887e-8)
#: Adding it rounds to an integer and leaves that plus the exponent's bias in the lowest bits.
_MAGIC = 1.5 * 2**52 + 1023
#: The same of float32; less an integer c it is exact, and the bits are those of an exponent − c.
MAGIC32 = 1.5 * 2**23 + 127
#: Cells up to which that is so: c is below 2**21.
MOST32 = 2.0**20
_ROUND_BITS = 0x4338000000000000  # of 1.5·2**52
_ROOT_HALF = 0x3FE6A09E00000000  # of √½, nearly
#: Below it e^t would be subnormal; it is taken for 0 (ln 2**-1022 is −708.396).
_LOWEST = -708.0
#: The same of float32: 2**y is e**−87 there, and normal (ln 2**-126 is −87.3).
_LOWEST_POWER32 = -87.0 * LOG2_E
#: The same of 2**y.
_LOWEST_POWER = -1022.0


@intrinsic
def split_exponent(typingctx: Any, t: Any) -> Any:
    """Return ``r`` and ``2**n`` with ``e**t = e**r 2**n`` and ``|r| <= ln(2)/2``, all float64.

    The instructions carry no permission to reassociate, which would undo both the rounding
    ``(t + magic) − magic`` and the two-part ln 2.
    """
    pair = types.UniTuple(t, 2)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        (t,) = args
        bits = bits_of(t.type)
        magic, by = constant_of(t.type, _MAGIC), constant_of(t.type, LOG2_E)
        u = call(builder, "llvm.fmuladd", (t, by, magic))
        n = builder.fsub(u, magic, flags=("nsz",))
        r = call(builder, "llvm.fmuladd", (n, constant_of(t.type, -_LN2[0]), t))
        r = call(builder, "llvm.fmuladd", (n, constant_of(t.type, -_LN2[1]), r))
        shifted = builder.shl(builder.bitcast(u, bits), constant_of(bits, 52))
        return context.make_tuple(builder, pair, (r, builder.bitcast(shifted, t.type)))

    return pair(t), codegen


def _digits(y: Any) -> int:
    """Return how many binary digits a number, or each of some lanes, has behind its first."""
    return 52 if getattr(y, "dtype", y) == types.float64 else 23


@intrinsic
def split_power(typingctx: Any, y: Any) -> Any:
    """Return ``f`` and ``u`` with ``2**y = 2**f 2**n``, ``|f| <= 1/2``, n in the lowest bits of u.

    Of a number or of lanes. Without permission to reassociate: see :func:`split_exponent`.
    """
    pair = types.UniTuple(y, 2)
    digits = _digits(y)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        (y,) = args
        magic = constant_of(y.type, 1.5 * 2**digits)
        u = builder.fadd(y, magic, flags=("nsz",))
        n = builder.fsub(u, magic, flags=("nsz",))
        return context.make_tuple(builder, pair, (builder.fsub(y, n, flags=("nsz",)), u))

    return pair(y), codegen


@intrinsic
def raised(typingctx: Any, p: Any, u: Any) -> Any:
    """Return ``p 2**n``, both normal numbers: an addition to the exponent's bits."""
    digits = _digits(p)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        p, u = args
        bits = bits_of(p.type)
        n = builder.shl(builder.bitcast(u, bits), constant_of(bits, digits))
        return builder.bitcast(builder.add(builder.bitcast(p, bits), n), p.type)

    return p(p, u), codegen


@intrinsic
def split_shifted(typingctx: Any, x: Any, magic: Any) -> Any:
    """Return ``f`` and ``2**(n − c)`` of lanes of float32, n the integer next to ``x L``.

    L is the larger part of log₂e, ``f = x L − n``, and ``magic = MAGIC32 − c``. Fused in any case:
    f is what is left of two large numbers.
    """
    pair = types.UniTuple(x, 2)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        x, magic = args
        by, bits = constant_of(x.type, _LOG2_E32[0]), bits_of(x.type)
        u = call(builder, "llvm.fma", (x, by, magic))
        less = builder.fsub(magic, u, flags=("nsz",))
        f = call(builder, "llvm.fma", (x, by, less))
        scale = builder.shl(builder.bitcast(u, bits), constant_of(bits, 23))
        return context.make_tuple(builder, pair, (f, builder.bitcast(scale, x.type)))

    return pair(x, x), codegen


@intrinsic
def split_mantissa(typingctx: Any, x: Any) -> Any:
    """Return ``m`` and ``n`` with ``x = m 2**n`` and ``√½ <= m < √2``, for normal ``x > 0``.

    The bits of √½ are subtracted first, so that the exponent field changes there (musl, log.c).
    """
    pair = types.UniTuple(types.float64, 2)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        (x,) = args
        real, bits = x.type, context.get_value_type(types.int64)
        i = builder.bitcast(x, bits)
        above = builder.sub(i, bits(_ROOT_HALF))
        field = builder.and_(above, bits(-(1 << 52)))
        m = builder.bitcast(builder.sub(i, field), real)
        # An exponent is small: put its bits under those of 1.5·2**52 instead of converting.
        shifted = builder.add(builder.ashr(above, bits(52)), bits(_ROUND_BITS))
        n = builder.fsub(builder.bitcast(shifted, real), real(1.5 * 2**52), flags=("nsz",))
        return context.make_tuple(builder, pair, (m, n))

    return pair(types.float64), codegen


@intrinsic
def plus_ln2(typingctx: Any, rest: Any, n: Any) -> Any:
    """Return ``rest + n ln 2``, the small part of ln 2 first; see :func:`split_exponent`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        rest, n = args
        fma = intrinsic_of(builder, "llvm.fmuladd", n.type, 3)
        rest = builder.call(fma, (n, n.type(_LN2[1]), rest))
        return builder.call(fma, (n, n.type(_LN2[0]), rest))

    return types.float64(types.float64, types.float64), codegen


@part
def logarithm(x: float) -> float:
    """Return ``ln x`` for normal ``x > 0``, to about an ulp (coefficients of fdlibm's e_log.c)."""
    m, n = split_mantissa(x)
    f = m - 1.0
    s = f / (2.0 + f)
    q = s * s
    p = 1.479819860511658591e-01
    p = p * q + 1.531383769920937332e-01
    p = p * q + 1.818357216161805012e-01
    p = p * q + 2.222219843214978396e-01
    p = p * q + 2.857142874366239149e-01
    p = p * q + 3.999999999940941908e-01
    p = p * q + 6.666666666666735130e-01
    half = 0.5 * f * f
    result: float = plus_ln2(f - (half - s * (half + q * p)), n)
    return result


#: Rows whose logarithms wait to be taken together: one alone takes 70 cycles, a tenth of a row of
#: 64 classes, for nothing but waiting for one operation after another.
WAITING = 64


@part
def summed_logarithms(x: Any, weights: Any, n: int) -> float:
    """Return ``Σ w ln x`` of n numbers."""
    total = 0.0
    for i in range(n):
        total += weights[i] * logarithm(x[i])
    return total


@part
def near_power(y: Any) -> Any:
    """Return ``2**y`` for ``|y| <= 1022`` to 8.2e-13, of a number or of lanes of float64.

    Minimax polynomial of degree 8 for the relative error, by Remez' algorithm in 50 digits, with
    the constant held at 1.
    """
    f, u = split_power(y)
    p = 1.317893349953574307e-06 * f + 1.530915617609195152e-05
    p = p * f + 1.540382546229055689e-04
    p = p * f + 1.333345486056491888e-03
    p = p * f + 9.618128616124725898e-03
    p = p * f + 5.550410935266202662e-02
    p = p * f + 2.402265069811058865e-01
    p = p * f + 6.931471805482124049e-01
    p = p * f + 1.0
    return raised(p, u)


@part
def near_exponential32(t: Any) -> Any:
    """Return ``e**t`` for ``|t| <= 87``, of a float32 or of lanes, to 8e-8 (on average 1e-9).

    As :func:`near_power`, of degree 6: the polynomial is good to 2.5e-9, the rest is rounding, and
    1.2e-7 where products cannot be fused. log₂e is in two parts: a float32 of it alone would make
    every exponential 1.3e-8 t too large, and mean losses with them.
    """
    return _power32(t * _LOG2_E32[0], t)


@part
def exponential32(t: Any) -> Any:
    """Return ``e**t`` for ``t <= 0``, as :func:`near_exponential32`; 0 below e**−87.

    The power of two is compared, not t: LLVM would look at the float64 that t was rounded from, two
    comparisons instead of one.
    """
    y = t * _LOG2_E32[0]
    return zero_below(y, _LOWEST_POWER32, _power32(y, t))


@part
def brief(t: Any) -> Any:
    """Return ``e**t`` for ``t <= 0``, of lanes: as good as their dtype is."""
    if size_of(t) == 4:
        return exponential32(t)
    return exponential(t, False)


@part
def _power32(y: Any, t: Any) -> Any:
    """Return ``2**(y + t (log₂e − its float32))``."""
    f, u = split_power(y)
    return raised(_short_power32(t * _LOG2_E32[1] + f), u)


@part
def shifted_exponential32(x: Any, magic: Any) -> Any:
    """Return ``e**x / 2**c`` of lanes of float32, where ``magic = MAGIC32 − c``, c an integer.

    As good as :func:`near_exponential32`, for ``|x|`` below :data:`MOST32` if the result is a
    normal number, and NaN if x is not finite, whatever bits it has. As the shift is of whole
    powers of two it rounds nothing, so that no maximum need be known first, and it costs nothing.
    """
    f, scale = split_shifted(x, magic)
    return _short_power32(x * _LOG2_E32[1] + f) * scale


@part
def _short_power32(f: Any) -> Any:
    """Return ``2**f`` for ``|f| <= 1/2``, by the polynomial of :func:`near_exponential32`."""
    p = 0.000154614446986 * f + 0.00134004281776
    p = p * f + 0.00961805667852
    p = p * f + 0.0555032722667
    p = p * f + 0.240226509223
    p = p * f + 0.693147206703
    return p * f + 1.0


@part
def power(y: Any) -> Any:
    """Return ``2**y`` as :func:`near_power`, 0 where it would be subnormal; NaN for NaN."""
    return zero_below(y, _LOWEST_POWER, near_power(y))


@part
def exponential(t: Any, narrow: bool) -> Any:
    """Return ``e**t`` for ``t <= 0``, of a float64 or of lanes; NaN for NaN, 0 for −inf.

    To 1.2e-12 for float32 cells; else to an ulp: the minimax polynomial of
    ``(e**r − 1 − r)/r**2`` by Remez' algorithm in 40 digits, good to 4e-18 of ``e**r``.
    """
    if narrow:
        # Nine of twelve multiplications: ln 2 need not be split for so few digits.
        return power(t * LOG2_E)
    r, scale = split_exponent(t)
    q = 2.5000018853083342e-08 * r + 2.76303062556478574e-07
    q = q * r + 2.75575868038470707e-06
    q = q * r + 2.48014929496170708e-05
    q = q * r + 1.9841269505773807e-04
    q = q * r + 1.3888888943759984e-03
    q = q * r + 8.33333333349497726e-03
    q = q * r + 4.16666666665297281e-02
    q = q * r + 0.166666666666664115
    q = q * r + 0.500000000000001067
    q = (q * r) * r + r
    return zero_below(t, _LOWEST, q * scale + scale)
