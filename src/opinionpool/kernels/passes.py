"""Passes over one tile of cells, each a loop that LLVM vectorises.

``at`` holds the addresses of M models' cells, M filled up to a multiple of four with addresses
of zeros (and weights of 0), so that four or eight models go through the registers at a time;
``like`` is an empty array of the cells' dtype. Sums are float64, but see :func:`gram`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .jit import carray, jit
from .vector import cell, exponential, larger, pointer, prefetch, put, stream_line

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
def first_at(z: Any, n: int, top: float) -> int:
    """Return the first index of a value that is there: piece by piece, as a minimum."""
    for low in range(0, n, PIECE):
        first = n
        for k in range(low, min(n, low + PIECE)):
            first = min(first, k if z[k] == top else n)
        if first < n:
            return first
    return 0


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
def rooted(out: Any, e: Any, factor: float, n: int) -> None:
    """Set ``out[:n] = √(factor e)``."""
    for k in range(n):
        out[k] = e[k] * factor
    for k in range(n):
        out[k] = np.sqrt(out[k])


@jit
def centred(c: Any, start: int, at: Any, root: Any, shift: Any, n: int, like: Any) -> None:
    """Set ``c[:, start:start + n] = (x − shift) root``, four models at a time."""
    roots = root.ctypes.data
    for a in range(0, len(at), 4):
        a0, a1, a2, a3 = at[a], at[a + 1], at[a + 2], at[a + 3]
        h0, h1, h2, h3 = shift[a], shift[a + 1], shift[a + 2], shift[a + 3]
        c0, c1 = c[a, start : start + n], c[a + 1, start : start + n]
        c2, c3 = c[a + 2, start : start + n], c[a + 3, start : start + n]
        for k in range(n):
            by = cell(like, roots, k)
            put(c0, k, (cell(like, a0, k) - h0) * by)
            put(c1, k, (cell(like, a1, k) - h1) * by)
            put(c2, k, (cell(like, a2, k) - h2) * by)
            put(c3, k, (cell(like, a3, k) - h3) * by)


@jit
def shared(c: Any, root: Any, z: Any, shift: float, share: float, rest: float, n: int) -> None:
    """Set ``c[:n] = share c + rest (z − shift) root``: a model in a row some did not answer."""
    for k in range(n):
        c[k] = share * c[k] + rest * (z[k] - shift) * root[k]


@jit
def dots(total: Any, w: Any, at: Any, n: int, like: Any) -> None:
    """Add ``Σ_k w_k x_αk`` to ``total`` for every model."""
    for a in range(0, len(at), 4):
        x0 = carray(pointer(at[a], like), n)
        x1 = carray(pointer(at[a + 1], like), n)
        x2 = carray(pointer(at[a + 2], like), n)
        x3 = carray(pointer(at[a + 3], like), n)
        s0 = s1 = s2 = s3 = 0.0
        for k in range(n):
            s0 += w[k] * x0[k]
            s1 += w[k] * x1[k]
            s2 += w[k] * x2[k]
            s3 += w[k] * x3[k]
        total[a] += s0
        total[a + 1] += s1
        total[a + 2] += s2
        total[a + 3] += s3


@jit
def gram(total: Any, c: Any, n: int) -> None:
    """Add ``Σ_k c_αk c_βk`` to the lower triangle of ``total``, in blocks of 4 × 4 models.

    Sums of n products, at most some 1,000, are in the dtype of c, then float64: sums of 20 million
    in float32 made a Hessian wrong by 8e-3.
    """
    zero = c.dtype.type(0)
    for i in range(0, c.shape[0], 4):
        a0, a1, a2, a3 = c[i], c[i + 1], c[i + 2], c[i + 3]
        s00 = s10 = s11 = s20 = s21 = s22 = s30 = s31 = s32 = s33 = zero
        for k in range(n):
            s00 += a0[k] * a0[k]
            s10 += a1[k] * a0[k]
            s11 += a1[k] * a1[k]
            s20 += a2[k] * a0[k]
            s21 += a2[k] * a1[k]
            s22 += a2[k] * a2[k]
            s30 += a3[k] * a0[k]
            s31 += a3[k] * a1[k]
            s32 += a3[k] * a2[k]
            s33 += a3[k] * a3[k]
        add_row(total, i, i, s00, zero, zero, zero)
        add_row(total, i + 1, i, s10, s11, zero, zero)
        add_row(total, i + 2, i, s20, s21, s22, zero)
        add_row(total, i + 3, i, s30, s31, s32, s33)
        for j in range(0, i, 4):
            b0, b1, b2, b3 = c[j], c[j + 1], c[j + 2], c[j + 3]
            t00 = t01 = t02 = t03 = t10 = t11 = t12 = t13 = zero
            t20 = t21 = t22 = t23 = t30 = t31 = t32 = t33 = zero
            for k in range(n):
                t00 += a0[k] * b0[k]
                t01 += a0[k] * b1[k]
                t02 += a0[k] * b2[k]
                t03 += a0[k] * b3[k]
                t10 += a1[k] * b0[k]
                t11 += a1[k] * b1[k]
                t12 += a1[k] * b2[k]
                t13 += a1[k] * b3[k]
                t20 += a2[k] * b0[k]
                t21 += a2[k] * b1[k]
                t22 += a2[k] * b2[k]
                t23 += a2[k] * b3[k]
                t30 += a3[k] * b0[k]
                t31 += a3[k] * b1[k]
                t32 += a3[k] * b2[k]
                t33 += a3[k] * b3[k]
            add_row(total, i, j, t00, t01, t02, t03)
            add_row(total, i + 1, j, t10, t11, t12, t13)
            add_row(total, i + 2, j, t20, t21, t22, t23)
            add_row(total, i + 3, j, t30, t31, t32, t33)


@jit
def add_row(total: Any, i: int, j: int, s0: float, s1: float, s2: float, s3: float) -> None:
    """Add four sums to ``total[i, j:j + 4]``."""
    total[i, j] += s0
    total[i, j + 1] += s1
    total[i, j + 2] += s2
    total[i, j + 3] += s3
