"""Compiled logarithms of probabilities, which may be 0; see :mod:`.logarithms`."""

from __future__ import annotations

from typing import Any

import numpy as np

from .jit import inlined, intrinsic, ir, jit, part, types
from .lanes import (
    LANES,
    bits_of,
    borrowed,
    constant_of,
    keep,
    load,
    load_first,
    size_of,
    spread,
    spread_over,
    store,
)
from .masses import mass_of
from .near_sums import LN2
from .powers import logarithm
from .reductions import larger_of
from .scratch import scratch
from .turned import where_above
from .vector import view

#: Float64 numbers below the first are multiplied by a power of two before their logarithms are
#: taken, which subnormal ones need.
FAINT, LIFT = 1e-290, 64
#: Bytes of output that are worked on at a time.
_TILE = 1 << 14
#: Bits of √½ as a float32, and its smallest normal number.
_ROOT_HALF32, _NORMAL32 = 0x3F3504F3, 2.0**-126
#: Powers of two by which subnormal numbers are made normal.
_LIFT32 = 25
#: ln 2 in two parts; products of the first with an exponent are exact (Cephes, logf.c).
_LN2_32 = (0.693359375, -2.12194440e-4)


@part
def log_share(p: float) -> float:
    """Return ``ln p`` of a float64, −inf where it is not above 0."""
    by, less = (2.0**LIFT, LIFT * LN2) if p < FAINT else (1.0, 0.0)
    return logarithm(p * by) - less if p > 0 else -np.inf


@intrinsic
def _split_mantissa32(typingctx: Any, x: Any) -> Any:
    """Return ``m`` and ``n`` with ``x = m 2**n`` and ``√½ <= m < √2``, of lanes of normal x > 0.

    As :func:`~opinionpool.kernels.powers.split_mantissa`.
    """
    pair = types.UniTuple(x, 2)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        (x,) = args
        bits = bits_of(x.type)
        i = builder.bitcast(x, bits)
        above = builder.sub(i, constant_of(bits, _ROOT_HALF32))
        field = builder.and_(above, constant_of(bits, -(1 << 23)))
        m = builder.bitcast(builder.sub(i, field), x.type)
        n = builder.sitofp(builder.ashr(above, constant_of(bits, 23)), x.type)
        return context.make_tuple(builder, pair, (m, n))

    return pair(x), codegen


@intrinsic
def _above(typingctx: Any, x: Any, least: Any) -> Any:
    """Return a bit for each lane: whether it is above a number."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        least = spread_over(builder, args[1], args[0].type)
        bits = builder.bitcast(builder.fcmp_ordered(">", args[0], least), ir.IntType(LANES))
        return builder.zext(bits, ir.IntType(64))

    return types.int64(x, x.dtype), codegen


@inlined
def _logarithms(x: Any, lifted: Any, like: Any) -> Any:
    """Return ``ln x`` of 16 normal float32 above 0, less ``lifted`` ln 2, to an ulp.

    Cephes' polynomial for ``ln(1 + f)``, and the parts added from the smallest on.
    """
    dtype = like.dtype.type
    m, n = _split_mantissa32(x)
    n = n - lifted
    f = m - dtype(1)
    q = f * f
    p = f * dtype(7.0376836292e-2) + dtype(-1.1514610310e-1)
    p = p * f + dtype(1.1676998740e-1)
    p = p * f + dtype(-1.2420140846e-1)
    p = p * f + dtype(1.4249322787e-1)
    p = p * f + dtype(-1.6668057665e-1)
    p = p * f + dtype(2.0000714765e-1)
    p = p * f + dtype(-2.4999993993e-1)
    p = p * f + dtype(3.3333331174e-1)
    y = (p * f) * q + n * dtype(_LN2_32[1])
    y = y - q * dtype(0.5)
    return (f + y) + n * dtype(_LN2_32[0])


@part
def _with_care(to: Any, address: Any, k: int, n: int, last: Any, like: Any) -> None:
    """Write logarithms of n cells, at most 16, which may be 0, subnormal, negative or NaN."""
    dtype = like.dtype.type
    x = load_first(like, address, k, n)
    nought, one = spread(like, dtype(0)), spread(like, dtype(1))
    # The smallest normal number, and the smallest there is: NaN is below neither.
    normal, least = spread(like, dtype(_NORMAL32)), spread(like, dtype(2.0**-149))
    raised = x * where_above(normal, x, dtype(2.0**_LIFT32), one)
    found = _logarithms(raised, where_above(normal, x, dtype(_LIFT32), nought), like)
    store(last, 0, where_above(least, x, dtype(-np.inf), found) + x * dtype(0))
    for i in range(n):
        to[k + i] = last[i]


@part
def _log_row32(to: Any, address: Any, n: int, last: Any, like: Any) -> None:
    """Set float32 cells to the logarithms of those at an address, which may be theirs."""
    dtype, four = like.dtype.type, 4 * LANES
    least, nought = dtype(_NORMAL32), spread(like, dtype(0))
    for k in range(0, n - four + 1, four):
        a, b = load(like, address, k), load(like, address, k + LANES)
        c, d = load(like, address, k + 2 * LANES), load(like, address, k + 3 * LANES)
        normal = _above(a, least) & _above(b, least) & _above(c, least) & _above(d, least)
        if normal == (1 << LANES) - 1:
            store(to, k, _logarithms(a, nought, like))
            store(to, k + LANES, _logarithms(b, nought, like))
            store(to, k + 2 * LANES, _logarithms(c, nought, like))
            store(to, k + 3 * LANES, _logarithms(d, nought, like))
        else:
            for i in range(k, k + four, LANES):
                _with_care(to, address, i, LANES, last, like)
    for k in range(n - n % four, n, LANES):
        _with_care(to, address, k, min(LANES, n - k), last, like)


@part
def _log_row(to: Any, x: Any, n: int) -> None:
    """Set float64 cells to the logarithms of others."""
    for k in range(n):
        to[k] = log_share(np.float64(x[k])) + x[k] * 0.0


@part
def _raise_row(to: Any, address: Any, n: int, least: float, like: Any) -> None:
    """Set n cells to those at an address, but ``least`` where they are less."""
    start, bound = address, spread(like, like.dtype.type(least))
    for k in range(0, n - LANES + 1, LANES):
        store(to, k, larger_of(load(like, start, k), bound))
    cells = view(address, like, n)
    for k in range(n - n % LANES, n):
        to[k] = max(cells[k], like.dtype.type(least))


@jit
def log_cells(
    n: int, K: int, base: int, step: int, out: int, out_step: int, floor: float, like: Any
) -> None:
    """Write the logarithms of n rows of K cells; addresses may be the same.

    Of cells raised to ``floor`` times the sum of their row, unless that is 0.
    """
    owner = scratch(LANES, like)
    last, size = borrowed(owner), size_of(like)
    adjacent = out_step == K * size and (floor > 0 or step == out_step)
    # As many rows as stay in the first-level cache, as one: mostly there are many short ones.
    many = max(1, _TILE // (K * size)) if adjacent else 1
    for first in range(0, n, many):
        rows = min(many, n - first)
        at, to = base + np.uint64(first * step), out + np.uint64(first * out_step)
        if floor > 0:
            for r in range(rows):
                row = at + np.uint64(r * step)
                mass, finite = mass_of(row, K, 0, like)
                cells = view(to + np.uint64(r * out_step), like, K)
                _raise_row(cells, row, K, floor * mass if finite else np.nan, like)
                if not finite:
                    cells[:] = np.nan
            at = to
        logs = view(to, like, rows * K)
        if size == 8:
            _log_row(logs, view(at, like, rows * K), rows * K)
        else:
            _log_row32(logs, at, rows * K, last, like)
    keep(owner)
