"""Sums of the linear rule's loss and its derivatives: blocks of columns, shared out to threads."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from . import plain
from .arrays import Rows, plain_layout
from .choice import Kernels, compiled
from .summing import Sums, total
from .threads import blocks, in_threads

Array = NDArray[np.float64]


def linear_sums(
    log_f: Array,
    w: Array,
    weight: Array | None = None,
    *,
    f: Array | None = None,
    top: Array | None = None,
    order: int = 2,
    threads: int = 1,
    kernels: Kernels | None = None,
) -> Sums:
    """Sum the linear rule's loss ``−log Σ w_α f_α`` over outcomes, with its derivatives.

    With ``r_α = f_α/Σ w f``: gradient ``−Σ u r``, reach ``Σ u r``, curvature ``Σ u r rᵀ`` with r
    cut at 1e140 (rules/linear.py). Every model answered.

    Parameters
    ----------
    log_f
        (M, R) log-likelihoods of what happened.
    w
        (M,) weights, not negative.
    weight
        (R,) weights of the outcomes; None for 1.
    f, top
        ``exp(log_f − top)`` and the columns' maxima (0 where that is not finite), if they are
        known already: see :func:`scaled_likelihoods`.
    order, threads, kernels
        See :func:`log_sums`.

    Examples
    --------
    >>> sums = linear_sums(np.log([[0.5], [0.25]]), np.array([0.5, 0.5]))
    >>> round(sums.value, 4), sums.reach.round(4)
    (0.9808, array([1.3333, 0.6667]))
    """
    m, n = log_f.shape
    w = np.asarray(w, dtype=np.float64)
    u = np.ones(n) if weight is None else weight
    status = np.zeros(n, np.uint8)
    if not compiled(kernels):
        return total([plain.linear_sums(log_f, w, u)], m, order, status)
    from .mixture import sum_mixture
    from .tiles import padded

    if f is None or top is None:
        f, top = scaled_likelihoods(log_f)
    f = plain_layout(f, np.float64)
    rows = Rows([own[:, None] for own in f], np.dtype(np.float64), adjacent_rows=True)
    u, top = plain_layout(u, np.float64), plain_layout(top, np.float64)
    faint = np.zeros(n, np.bool_)

    def work(first: int, last: int) -> plain.Derivatives:
        base, step, _alive = rows.block(first, last)
        filled = padded(m)
        pull, curvature = np.zeros(filled), np.zeros((filled, filled))
        here = slice(first, last)
        value = sum_mixture(
            *(0, last - first, base, step, w, top[here], u[here], order, faint[here]),
            *(rows.like, pull, curvature),
        )
        return plain.Derivatives(value, -pull[:m], pull[:m], curvature[:m, :m])

    parts = in_threads(work, blocks(n, m * 8), threads)
    if faint.any():
        parts.append(plain.linear_sums(log_f[:, faint], w, np.asarray(u[faint])))
    return total(parts, m, order, status)


def scaled_likelihoods(log_f: Array) -> tuple[Array, Array]:
    """Return ``exp(log_f − top)`` and ``top``, each column's maximum, 0 where not finite."""
    top = log_f.max(axis=0)
    top = np.where(np.isfinite(top), top, 0.0)
    return np.exp(log_f - top), top
