"""Passes over one tile of cells, each a loop that LLVM vectorises.

``at`` holds the addresses of M models' cells, M filled up to a multiple of four with addresses
of zeros (and weights of 0), so that four or eight models go through the registers at a time;
``like`` is an empty array of the cells' dtype. Sums are float64, but see
``products.gram``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .jit import carray, jit
from .powers import exponential
from .vector import larger, pointer, prefetch, stream_line

#: Cells between two requests for memory: 16 lines of float32 cells a model.
PIECE = 256


@jit
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


@jit
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


@jit
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


@jit
def highest(z: Any, n: int) -> tuple[float, float]:
    """Return the maximum, and a number that is 0 if all of ``z[:n]`` is finite, else NaN.

    The maximum means something only where nothing is NaN.
    """
    top, check = z[0], 0.0
    for k in range(n):
        top = larger(top, z[k])
        check += z[k] * 0.0
    return top, check


@jit
def exponentials(e: Any, z: Any, top: float, n: int, narrow: bool) -> float:
    """Set ``e[:n] = exp(z − top)`` and return its sum."""
    total = 0.0
    for k in range(n):
        own = exponential(z[k] - top, narrow)
        e[k] = own
        total += own
    return total


@jit
def exponentials_ahead(
    e: Any, z: Any, top: float, n: int, narrow: bool, at: Any, distance: Any, size: int
) -> float:
    """Do as :func:`exponentials`, and meanwhile fetch what comes ``distance`` bytes after ``at``.

    The memory would otherwise idle while a core computes: two threads pooled 8 × 20,000 × 1,000
    float32 in 0.91 of the time. ``size`` is that of a cell in bytes.
    """
    total = 0.0
    for low in range(0, n, PIECE):
        high = min(n, low + PIECE)
        total += exponentials(e[low:high], z[low:high], top, high - low, narrow)
        for a in range(len(at)):
            for byte in range(low * size, high * size, 64):
                prefetch(at[a] + np.uint64(distance[a] + byte))
    return total


@jit
def exponential_sum(z: Any, top: float, n: int, narrow: bool) -> float:
    """Return ``Σ_k exp(z_k − top)``."""
    total = 0.0
    for k in range(n):
        total += exponential(z[k] - top, narrow)
    return total


@jit
def scale(x: Any, factor: float, n: int) -> None:
    """Multiply ``x[:n]`` in place: two names for one array would not vectorise."""
    for k in range(n):
        x[k] = x[k] * factor


@jit
def subtract(x: Any, shift: float, n: int) -> None:
    """Subtract from ``x[:n]`` in place."""
    for k in range(n):
        x[k] = x[k] - shift


@jit
def emit(out: Any, x: Any, n: int, past_caches: bool) -> None:
    """Copy ``x[:n]`` to ``out``, whole lines past the caches if asked to.

    An ordinary store first reads the line it will overwrite, which doubles the cost of writing
    (two threads, 8 × 20,000 × 1,000 float32: 0.88 of the time without).
    """
    if not past_caches:
        for k in range(n):
            out[k] = x[k]
        return
    target, source, size = out.ctypes.data, x.ctypes.data, x.itemsize
    head = min(n, (-target) % 64 // size)
    lines = (n - head) * size // 64
    for k in range(head):
        out[k] = x[k]
    for line in range(lines):
        offset = head * size + 64 * line
        stream_line(np.uint64(target + offset), np.uint64(source + offset))
    for k in range(head + lines * 64 // size, n):
        out[k] = x[k]


@jit
def differences(out: Any, z: Any, shift: float, n: int) -> None:
    """Set ``out[:n] = z − shift``."""
    for k in range(n):
        out[k] = z[k] - shift


@jit
def scaled(out: Any, e: Any, factor: float, n: int) -> None:
    """Set ``out[:n] = factor e``, and 0 behind to the end of the vector."""
    for k in range(n):
        out[k] = e[k] * factor
    for k in range(n, (n + 15) // 16 * 16):
        out[k] = 0.0
