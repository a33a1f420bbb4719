"""Passes over one tile of cells, each a loop that LLVM vectorises.

``at`` holds the addresses of M models' cells, M filled up to a multiple of four with addresses
of zeros (and weights of 0), so that four or eight models go through the registers at a time;
``like`` is an empty array of the cells' dtype. Sums are float64, but see
``products.gram``.
"""

from __future__ import annotations

from typing import Any

from .jit import carray, part
from .powers import exponential
from .vector import larger, pointer


@part
def weighted_sum(z: Any, at: Any, v: Any, n: int, like: Any) -> None:
    """Set ``z[:n] = Σ_α v_α x_α``, eight models at a time, then four."""
    m = len(at)
    first = 8 if m >= 8 else 4
    if m >= 8:
        add_eight(z, at, v, n, like, True)
    else:
        add_four(z, at, v, n, like, True)
    while m - first >= 8:
        add_eight(z, at[first:], v[first:], n, like, False)
        first += 8
    if first < m:
        add_four(z, at[first:], v[first:], n, like, False)


@part
def add_four(z: Any, at: Any, v: Any, n: int, like: Any, fresh: bool) -> None:
    """Add four models' cells to ``z``, or set it to their sum."""
    x0, x1 = carray(pointer(at[0], like), n), carray(pointer(at[1], like), n)
    x2, x3 = carray(pointer(at[2], like), n), carray(pointer(at[3], like), n)
    v0, v1, v2, v3 = v[0], v[1], v[2], v[3]
    if fresh:
        for k in range(n):
            z[k] = v0 * x0[k] + v1 * x1[k] + v2 * x2[k] + v3 * x3[k]
    else:
        for k in range(n):
            z[k] += v0 * x0[k] + v1 * x1[k] + v2 * x2[k] + v3 * x3[k]


@part
def add_eight(z: Any, at: Any, v: Any, n: int, like: Any, fresh: bool) -> None:
    """Add eight models' cells to ``z``, or set it to their sum."""
    x0, x1 = carray(pointer(at[0], like), n), carray(pointer(at[1], like), n)
    x2, x3 = carray(pointer(at[2], like), n), carray(pointer(at[3], like), n)
    x4, x5 = carray(pointer(at[4], like), n), carray(pointer(at[5], like), n)
    x6, x7 = carray(pointer(at[6], like), n), carray(pointer(at[7], like), n)
    v0, v1, v2, v3 = v[0], v[1], v[2], v[3]
    v4, v5, v6, v7 = v[4], v[5], v[6], v[7]
    if fresh:
        for k in range(n):
            z[k] = (v0 * x0[k] + v1 * x1[k] + v2 * x2[k] + v3 * x3[k]) + (
                v4 * x4[k] + v5 * x5[k] + v6 * x6[k] + v7 * x7[k]
            )
    else:
        for k in range(n):
            z[k] += (v0 * x0[k] + v1 * x1[k] + v2 * x2[k] + v3 * x3[k]) + (
                v4 * x4[k] + v5 * x5[k] + v6 * x6[k] + v7 * x7[k]
            )


@part
def highest(z: Any, n: int) -> tuple[float, float]:
    """Return the maximum, and a number that is 0 if all of ``z[:n]`` is finite, else NaN.

    The maximum means something only where nothing is NaN.
    """
    top, check = z[0], 0.0
    for k in range(n):
        top = larger(top, z[k])
        check += z[k] * 0.0
    return top, check


@part
def exponential_sum(z: Any, top: float, n: int, narrow: bool) -> float:
    """Return ``Σ_k exp(z_k − top)``."""
    total = 0.0
    for k in range(n):
        total += exponential(z[k] - top, narrow)
    return total


@part
def scaled(out: Any, e: Any, factor: float, n: int) -> None:
    """Set ``out[:n] = factor e``, and 0 behind to the end of the vector."""
    for k in range(n):
        out[k] = e[k] * factor
    for k in range(n, (n + 15) // 16 * 16):
        out[k] = 0.0
