"""Compiled sums of exponentials of float32 cells, with their extremes, in one pass.

Exponentials are divided by a power of two, which is exact: any that keeps them normal numbers will
do, so that a row's maximum need not be known before. Whoever calls guesses one from the rows
before, and looks afterwards whether it did. What is not finite makes the sum NaN.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .jit import inlined, part
from .lanes import LANES, load, load_first, size_of, spread, wide
from .powers import LOG2_E, MAGIC32, MOST32, shifted_exponential32
from .reductions import highest_of, keep_first, larger_of, lowest_of, smaller_of, total_of
from .turned import four_turned, where_same
from .vector import prefetch

#: Powers of two, relative to that of the shift, that cells' exponentials may be for sums of them
#: to be normal float32 numbers: where that is known nothing need be compared.
LEAST32, GREATEST32 = -125.9, 112.0
LN2 = math.log(2)


@inlined
def fetch_four(line: Any) -> None:
    """Ask for four lines of memory."""
    prefetch(line)
    prefetch(line + np.uint64(64))
    prefetch(line + np.uint64(128))
    prefetch(line + np.uint64(192))


@part
def shift_of(high: float, low: float) -> float:
    """Return the power of two in the middle of the exponentials of some cells."""
    return np.float64(np.rint(0.5 * LOG2_E * (high + low)))


@part
def is_near(high: float, low: float, shift: float) -> bool:
    """Whether :func:`near_sum` holds for cells that are not NaN."""
    greatest, least = high * LOG2_E - shift, low * LOG2_E - shift
    return max(abs(high), abs(low)) < MOST32 and least > LEAST32 and greatest < GREATEST32


@inlined
def four_near(like: Any, address: Any, k: int, magic: Any) -> Any:
    """Return the largest, the smallest, and the sum of the exponentials of 4 × 16 cells."""
    a, b = load(like, address, k), load(like, address, k + LANES)
    c, d = load(like, address, k + 2 * LANES), load(like, address, k + 3 * LANES)
    top = larger_of(larger_of(a, b), larger_of(c, d))
    bottom = smaller_of(smaller_of(a, b), smaller_of(c, d))
    first = shifted_exponential32(a, magic) + shifted_exponential32(b, magic)
    second = shifted_exponential32(c, magic) + shifted_exponential32(d, magic)
    return top, bottom, first + second


@inlined
def near_sum(
    address: Any, n: int, shift: float, ahead: int, like: Any
) -> tuple[float, float, float]:
    """Return the largest and the smallest of float32 cells, and ``Σ_k exp(x_k) / 2**shift``.

    NaN if a cell is not finite; else good where :func:`is_near`. Each exponential is good to
    1e-7; eight at a time are added in float32. Meanwhile what comes ``ahead`` bytes later is
    fetched.
    """
    dtype, eight = like.dtype.type, 8 * LANES
    top, bottom = spread(like, dtype(-np.inf)), spread(like, dtype(np.inf))
    total, magic = wide(spread(like, dtype(0))), spread(like, dtype(MAGIC32 - shift))
    later = address + np.uint64(ahead)
    for k in range(0, n - eight + 1, eight):
        high, low, first = four_near(like, address, k, magic)
        top, bottom = larger_of(top, high), smaller_of(bottom, low)
        high, low, second = four_near(like, address, k + 4 * LANES, magic)
        top, bottom = larger_of(top, high), smaller_of(bottom, low)
        total = total + wide(first + second)
        fetch_four(later + np.uint64(4 * k))
        fetch_four(later + np.uint64(4 * (k + 4 * LANES)))
    begin, last = n - n % eight, spread(like, dtype(0))
    if n - begin >= 4 * LANES:
        high, low, last = four_near(like, address, begin, magic)
        top, bottom = larger_of(top, high), smaller_of(bottom, low)
        begin += 4 * LANES
    for k in range(begin, n - n % LANES, LANES):
        x = load(like, address, k)
        top, bottom = larger_of(top, x), smaller_of(bottom, x)
        last = last + shifted_exponential32(x, magic)
    if n % LANES:
        k, many = n - n % LANES, n % LANES
        x = load_first(like, address, k, many)
        top = larger_of(top, keep_first(x, many, dtype(-np.inf)))
        bottom = smaller_of(bottom, keep_first(x, many, dtype(np.inf)))
        last = last + keep_first(shifted_exponential32(x, magic), many, dtype(0))
    return highest_of(top), lowest_of(bottom), total_of(total + wide(last))


@inlined
def near_rows(
    at: Any, later: Any, K: int, magic: Any, classes: Any, picking: bool, like: Any
) -> Any:
    """Return 16 rows' largest and smallest float32 cells, and ``Σ_k exp(x_k) / 2**shift``.

    As :func:`near_sum`; ``magic`` is ``MAGIC32 − shift``. Four exponentials at a time are added in
    float32. The fourth result is each row's cell of its class, a number in ``classes``; 0 where
    there is none such, or nobody is ``picking``. As many cells ``later`` are fetched meanwhile,
    four lines at a time: all at once are a queue to wait for, half of the time with 64 classes.
    """
    dtype, rest = like.dtype.type, K % 4
    top, bottom = spread(like, dtype(-np.inf)), spread(like, dtype(np.inf))
    own, total = spread(like, dtype(0)), wide(spread(like, dtype(0)))
    for k in range(0, K - rest, 4):
        a, b, c, d = four_turned(like, at + np.uint64(k * size_of(like)), K)
        fetch_four(later + np.uint64(k * LANES * size_of(like)))
        top = larger_of(top, larger_of(larger_of(a, b), larger_of(c, d)))
        bottom = smaller_of(bottom, smaller_of(smaller_of(a, b), smaller_of(c, d)))
        if picking:
            own = where_same(classes, dtype(0), a, own)
            own = where_same(classes, dtype(1), b, own)
            own = where_same(classes, dtype(2), c, own)
            own = where_same(classes, dtype(3), d, own)
            classes = classes - dtype(4)
        first = shifted_exponential32(a, magic) + shifted_exponential32(b, magic)
        second = shifted_exponential32(c, magic) + shifted_exponential32(d, magic)
        total = total + wide(first + second)
    if rest > 0:
        a, b, c, _ = four_turned(like, at + np.uint64((K - rest) * size_of(like)), K)
        fetch_four(later + np.uint64((K - rest) * LANES * size_of(like)))
        top, bottom, last = (
            larger_of(top, a),
            smaller_of(bottom, a),
            shifted_exponential32(a, magic),
        )
        own = where_same(classes, dtype(0), a, own)
        if rest > 1:
            top, bottom = larger_of(top, b), smaller_of(bottom, b)
            own = where_same(classes, dtype(1), b, own)
            last = last + shifted_exponential32(b, magic)
        if rest > 2:
            top, bottom = larger_of(top, c), smaller_of(bottom, c)
            own = where_same(classes, dtype(2), c, own)
            last = last + shifted_exponential32(c, magic)
        total = total + wide(last)
    return top, bottom, total, own
