"""Error-free transformations: what an operation gives as a float, and what its rounding lost.

Plain arithmetic only, so they hold for every array library that rounds as IEEE 754 says, does not
reassociate, and neither overflows nor underflows on the way. Arrays are float64 throughout.

Sources: Dekker, "A floating-point technique for extending the available precision" (1971); Knuth,
The Art of Computer Programming 2, 4.2.2; Ogita, Rump and Oishi, "Accurate sum and dot product"
(2005).
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

Array: TypeAlias = Any  # of any library that follows the array API standard

_SPLITTER = 2.0**27 + 1.0  # Veltkamp: halves the 53 bits of a float64


def two_difference(a: Array, b: Array) -> tuple[Array, Array]:
    """Give ``a − b`` as its rounded value and the error: Knuth's TwoSum, whichever is larger.

    Examples
    --------
    >>> two_difference(1.0, 2.0**-60) == (1.0, -(2.0**-60))
    True
    """
    difference = a - b
    minus_b = difference - a
    error = (a - (difference - minus_b)) - (b + minus_b)
    return difference, error


def two_product(a: Array, factor: float) -> tuple[Array, Array]:
    """Give ``a · factor`` as its rounded value and the error: Dekker's product.

    The factor may have any finite size; `a` and the product must stay below 2^996.

    Examples
    --------
    >>> x = 1.0 + 2.0**-30
    >>> two_product(x, x) == (1.0 + 2.0**-29, 2.0**-60)
    True
    """
    product = a * factor
    head, tail = _split(a)
    factor_head, factor_tail = split_float(factor)
    error = head * factor_head - product
    error = error + tail * factor_head + head * factor_tail
    return product, error + tail * factor_tail


def split_float(value: float) -> tuple[float, float]:
    """Halve ``value = head + tail``, 26 and at most 27 bits, for finite floats of any size.

    Truncates the significand, where Veltkamp's way would overflow above 2^996.

    Examples
    --------
    >>> head, tail = split_float(1.0 / 3.0)
    >>> head + tail == 1.0 / 3.0, (head * head).as_integer_ratio()[0].bit_length() <= 52
    (True, True)
    """
    significand, exponent = math.frexp(value)
    head = math.ldexp(math.trunc(math.ldexp(significand, 26)), exponent - 26)
    return head, value - head


def _split(a: Array) -> tuple[Array, Array]:
    """Halve ``a = head + tail``: 26 bits each, as the sign of the tail is the 53rd."""
    scaled = a * _SPLITTER
    head = scaled - (scaled - a)
    return head, a - head


def accurate_sum(terms: Array, low: Array | float, bound: Array | float, xp: Any) -> Array:
    """Sum ``terms + low`` over the last axis, kept with size 1, with hardly more than one rounding.

    The terms are non-negative and `bound` is the greatest of them. Adding and subtracting 2^22
    bounds rounds them to heads on one grid, whose sum is exact in any order (up to four million
    terms); what is left over is 2^-23 as large, and so are the rounding errors of its sum. So the
    memory layout does not matter, as it does for a library's own sum. Source: Rump, Ogita and
    Oishi, "Accurate floating-point summation" (2008), ExtractVector.

    Examples
    --------
    >>> import numpy as np
    >>> tenths = np.full(1000, 0.1)
    >>> accurate_sum(tenths, 0.0, 0.1, np).item(), float(tenths.cumsum()[-1])
    (100.0, 99.9999999999986)
    """
    grid = 2.0**22 * bound
    heads = (terms + grid) - grid
    tails = (terms - heads) + low
    return xp.sum(heads, axis=-1, keepdims=True) + xp.sum(tails, axis=-1, keepdims=True)
