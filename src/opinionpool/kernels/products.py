"""Passes over one tile of cells that multiply them: means and Gram matrices.

``at`` holds the addresses of M models' cells: see :mod:`~opinionpool.kernels.sweeps`.
"""

from __future__ import annotations

from typing import Any

from .jit import part
from .vector import view


@part
def dots(total: Any, w: Any, at: Any, n: int, like: Any) -> None:
    """Add ``Σ_k w_k x_αk`` to ``total`` for every model."""
    for a in range(0, len(at), 4):
        x0 = view(at[a], like, n)
        x1 = view(at[a + 1], like, n)
        x2 = view(at[a + 2], like, n)
        x3 = view(at[a + 3], like, n)
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


@part
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


@part
def add_row(total: Any, i: int, j: int, s0: float, s1: float, s2: float, s3: float) -> None:
    """Add four sums to ``total[i, j:j + 4]``."""
    total[i, j] += s0
    total[i, j + 1] += s1
    total[i, j + 2] += s2
    total[i, j + 3] += s3


@part
def lessened(columns: Any, first: int, last: int, by: float) -> None:
    """Multiply some columns by a number."""
    for a in range(len(columns)):
        for t in range(first, last):
            columns[a, t] *= by


@part
def add_gram_of(curvature: Any, gram_of: Any, columns: Any, n: int, sign: float) -> None:
    """Add the Gram matrix of some columns, or take it off, by way of scratch memory."""
    gram_of[:] = 0.0
    gram(gram_of, columns, n)
    for a in range(len(gram_of)):
        for b in range(a + 1):
            curvature[a, b] += sign * gram_of[a, b]


@part
def add_grams(
    curvature: Any, gram_of: Any, minus: Any, plus: Any, columns: int, single: bool
) -> None:
    """Add what tiles' means are apart, and take off what is left because they were rounded."""
    add_gram_of(curvature, gram_of, minus, columns, -1.0)
    if not single:
        add_gram_of(curvature, gram_of, plus, columns, 1.0)
