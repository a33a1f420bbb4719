"""Pooling by the linear rule with given weights: blocks of rows, shared out to threads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import reference
from .applying import Present, apply
from .arrays import Rows, common_dtype
from .choice import NARROW_POOL, PAST_CACHES, Kernels, compiled
from .status import IMPOSSIBLE, INVALID, LEFT, UNANSWERED
from .survey import survey
from .threads import blocks, in_threads

Array = NDArray[np.float64]

#: Blocks are parts of the usual ones, a megabyte of each model: what is at work then stays in a
#: core's second-level cache.
PARTS = 16
#: Smaller mixtures have lost digits to underflow, if only of one model: they are computed again,
#: from logarithms. (The smallest normal numbers are 1e-38 and 2e-308.)
_FAINT = {4: 1e-30, 8: 1e-290}
_ALONE = np.ones(1)
#: Bounds of sums and cells that are not to be left.
_ANY = (-np.inf, np.inf, -np.inf, np.inf)


def mix(
    arrays: Sequence[NDArray[Any]],
    w: Array,
    s: float = 1.0,
    *,
    out: NDArray[Any] | None = None,
    log: bool = False,
    threads: int = 1,
    present: Present = None,
    shares: Sequence[bool] | None = None,
    kernels: Kernels | None = None,
) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Pool by the linear rule: ``p̄ = Σ_α w_α softmax(x_α)``, ``∝ p̄^s``, each model read once.

    Parameters
    ----------
    arrays
        M arrays (N, K) of logits or log-probabilities.
    w
        (M,) weights, not negative, that sum to one.
    s
        Inverse temperature of the mixture, positive.
    out, log, threads, present, kernels
        See :func:`~opinionpool.kernels.applying.apply`.
    shares
        (M,) which arrays are no logits but probabilities, rows of any sum; None for none. Cells
        below 0 count as 0.

    Returns
    -------
    out
        (N, K), float32 if all arrays are, else float64; to about a unit in its last place, as
        logarithms too, however small. Rows that nobody answered are 0 (−inf if ``log``).
    status
        (N,) codes of :mod:`~opinionpool.kernels.status`: of a row that nobody answered, or of
        which one model cannot be normalised, else 0.

    Examples
    --------
    >>> x = [np.log([[0.5, 0.5]]), np.log([[0.8, 0.2]])]
    >>> mix(x, np.array([0.5, 0.5]))[0].round(4)
    array([[0.65, 0.35]])
    """
    n, k = arrays[0].shape
    dtype = common_dtype(arrays)
    if out is None:
        out = np.empty((n, k), dtype)
    status, pooled = np.zeros(n, np.uint8), out
    used = np.flatnonzero(np.asarray(w) > 0)
    arrays, w = [arrays[int(a)] for a in used], np.asarray(w, dtype=np.float64)[used]
    present = None if present is None else np.asarray(present[used], dtype=np.float64)
    plain = [False] * len(used) if shares is None else [bool(shares[int(a)]) for a in used]

    quick = all(plain) and compiled(kernels)
    plainly = out.dtype == dtype and out.flags.c_contiguous and out.flags.aligned
    direct = quick and plainly and s == 1 and not log
    past_caches = direct and out.nbytes > PAST_CACHES

    def work(first: int, last: int) -> None:
        here = slice(first, last)
        share = None if present is None else _shares(w, present[:, here], status[here])
        own, weights = [x[here] for x in arrays], w if share is None else share
        if direct:
            _average(pooled[here], own, weights, status[here], past_caches)
            return
        total = _mixture(own, weights, plain, status[here], log or s != 1, kernels)
        if s == 1:
            pooled[here] = total
        else:
            apply([total], np.array([s]), out=pooled[here], log=log, kernels=kernels)

    in_threads(work, blocks(n, k * dtype.itemsize, PARTS), threads)
    return out, status


def _shares(w: Array, present: Array, status: NDArray[np.uint8]) -> Array:
    """Return each row's weights, renormalised over who answered (maths.md §6), (M, n)."""
    mass = w @ present
    status[mass <= 0] = UNANSWERED
    return np.asarray(w[:, None] * present / np.where(mass > 0, mass, 1.0))


def _mixture(
    arrays: list[NDArray[Any]],
    w: Array,
    plain: list[bool],
    status: NDArray[np.uint8],
    log: bool,
    kernels: Kernels | None,
) -> Array:
    """Return some rows' mixture, or its logarithm; ``w`` is (M,), or (M, n)."""
    dtype = common_dtype(arrays)
    shape = arrays[0].shape
    if all(plain) and compiled(kernels):
        total = np.empty(shape)
        _average(total, arrays, w, status, False)
        return logarithm_of_mixture(total, arrays, w, plain) if log else total
    total, term, own = np.zeros(shape), np.empty(shape), np.empty(shape, dtype)
    for x, share, as_it_is in zip(arrays, w, plain, strict=True):
        if as_it_is:
            np.maximum(x, 0, out=own)
            if share.ndim:
                own[share == 0] = 0.0
            mass = own.sum(axis=1, dtype=np.float64)
            found = np.where(mass > 0, 0, np.where(mass == 0, IMPOSSIBLE, INVALID)).astype(np.uint8)
            share = share / np.where(mass == 0, 1.0, mass)
        else:
            _, found = apply([x], _ALONE, out=own, kernels=kernels)
        if share.ndim:
            own[share == 0] = 0.0
            found[share == 0] = 0
        np.maximum(status, found, out=status)
        np.multiply(own, share[:, None] if share.ndim else share, out=term)
        total += term
    return logarithm_of_mixture(total, arrays, w, plain) if log else total


def _average(
    out: NDArray[Any],
    arrays: list[NDArray[Any]],
    w: Array,
    status: NDArray[np.uint8],
    past_caches: bool,
) -> None:
    """Write some rows' mixture of probabilities, by the compiled kernels."""
    from .average_shares import average_narrow, average_rows

    (n, k), dtype = out.shape, common_dtype(arrays)
    narrow = k <= NARROW_POOL
    rows = Rows(arrays, dtype, adjacent_rows=narrow)
    base, step, _alive = rows.block(0, n)
    weights = np.ascontiguousarray(w[:, None] if w.ndim == 1 else w)
    left = np.full(n, 0 if narrow else LEFT, np.uint8)
    if narrow:
        average_narrow(base, step, weights, left, out, past_caches, _ANY, rows.like)
    if left.any():
        average_rows(base, step, weights, left, out, past_caches, status, rows.like)


def logarithm_of_mixture(
    total: Array, arrays: list[NDArray[Any]], w: Array, plain: list[bool]
) -> Array:
    """Return the logarithm of some rows' mixture, written over it."""
    with np.errstate(divide="ignore"):
        np.log(total, out=total)
    faint = total < np.log(_FAINT[common_dtype(arrays).itemsize])
    if faint.any():
        row, k = np.nonzero(faint)
        _mend(total, row, k, arrays, w, plain)
    return total


def _mend(
    log_p: Array,
    row: NDArray[np.int64],
    k: NDArray[np.int64],
    arrays: list[NDArray[Any]],
    w: Array,
    plain: list[bool],
) -> None:
    """Write the logarithms of some cells' mixtures, never exponentiating a whole one."""
    some, place = np.unique(row, return_inverse=True)
    terms = np.empty((len(arrays), len(row)))
    for out, x, as_it_is in zip(terms, arrays, plain, strict=True):
        if as_it_is:
            p = np.maximum(x[some], 0).astype(np.float64)
            with np.errstate(divide="ignore", invalid="ignore"):
                out[:] = np.log(p[place, k] / p.sum(axis=1)[place])
            continue
        log_z = survey(x[some], exact=True, checksum=False).log_z
        assert log_z is not None
        out[:] = x[row, k] - log_z[place]
    weights = w if w.ndim == 1 else w[:, row]
    if w.ndim == 2:
        terms[weights == 0] = -np.inf
    log_p[row, k] = reference.log_mixture(weights, terms)
