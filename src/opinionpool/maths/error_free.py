"""Error-free transformations: what an operation gives as a float, and what its rounding lost.

Plain arithmetic only, so they hold for every array library that rounds as IEEE 754 says, and
neither overflows nor underflows on the way; whether products are fused with sums or not. Arrays
are float64 throughout, or float32. Rounding errors are constants where derivatives are taken.

Sources: Dekker, "A floating-point technique for extending the available precision" (1971); Knuth,
The Art of Computer Programming 2, 4.2.2; Ogita, Rump and Oishi, "Accurate sum and dot product"
(2005).
"""

from __future__ import annotations

import math
from typing import Any

from .hosts import Array, constant, digits, rounded


def two_difference(a: Array, b: Array) -> tuple[Array, Array]:
    """Give ``a − b`` as its rounded value and the error: Knuth's TwoSum, whichever is larger.

    Examples
    --------
    >>> two_difference(1.0, 2.0**-60) == (1.0, -(2.0**-60))
    True
    """
    difference = a - b
    whole, a, b = constant(difference), constant(a), constant(b)
    minus_b = whole - a
    error = (a - (whole - minus_b)) - (b + minus_b)
    return difference, error


def two_product(a: Array, factor: float, bound: float, bits: int = 53) -> tuple[Array, Array]:
    """Give ``a · factor`` as its rounded value and the error, for ``|a| ≤ bound``.

    The halves of `a` are taken on a grid that depends on the bound, so that the product of the
    upper halves is exact and the others can be added to it. What is lost after that is 2^-78 of
    ``bound · factor`` (2^-34 with the 24 `bits` of a float32). The factor may have any finite
    size; the product must stay below the greatest float.

    Examples
    --------
    >>> x = 1.0 + 2.0**-30
    >>> two_product(x, x, 2.0) == (1.0 + 2.0**-29, 2.0**-60)
    True
    """
    half = bits // 2
    # The ulp of numbers between the grid and twice it is 2^-half of the bound's power of two.
    grid = math.ldexp(1.5, math.frexp(bound)[1] - half + bits - 1)
    head = rounded(constant(a) + grid) - grid
    factor_head, factor_tail = split_float(factor, half)
    exact = head * factor_head
    small = (a - head) * factor + head * factor_tail
    product = exact + small
    return product, constant(small) - (constant(product) - exact)


def split_float(value: float, bits: int = 26) -> tuple[float, float]:
    """Split ``value = head + tail``, `bits` for the head, for finite floats of any size.

    Truncates the significand, where Veltkamp's way would overflow above 2^996.

    Examples
    --------
    >>> head, tail = split_float(1.0 / 3.0)
    >>> head + tail == 1.0 / 3.0, (head * head).as_integer_ratio()[0].bit_length() <= 52
    (True, True)
    """
    significand, exponent = math.frexp(value)
    head = math.ldexp(math.trunc(math.ldexp(significand, bits)), exponent - bits)
    return head, value - head


def accurate_sum(terms: Array, low: Array | float, bound: Array | float, xp: Any) -> Array:
    """Sum ``terms + low`` over the last axis, kept with size 1, with hardly more than one rounding.

    The terms are non-negative and `bound` is the greatest of them. Adding and subtracting 2^22
    bounds rounds them to heads on one grid, whose sum is exact in any order (up to four million
    terms); what is left over is 2^-23 as large, and so are the rounding errors of its sum. So the
    memory layout does not matter, as it does for a library's own sum. In float32 it is 2^13, and
    sixteen thousand terms. Source: Rump, Ogita and
    Oishi, "Accurate floating-point summation" (2008), ExtractVector.

    Examples
    --------
    >>> import numpy as np
    >>> tenths = np.full(1000, 0.1)
    >>> accurate_sum(tenths, 0.0, 0.1, np).item(), float(tenths.cumsum()[-1])
    (100.0, 99.9999999999986)
    """
    grid = (2.0**13 if digits(terms, xp) == 24 else 2.0**22) * bound
    heads = rounded(constant(terms) + constant(grid)) - constant(grid)
    tails = (terms - heads) + low
    return xp.sum(heads, axis=-1, keepdims=True) + xp.sum(tails, axis=-1, keepdims=True)
