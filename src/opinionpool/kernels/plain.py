"""The plain NumPy twins of the compiled kernels: what they are held to, and the fallback.

Rows are stacked block by block as float64, so temporaries have a block's size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import reference
from .status import IMPOSSIBLE, INVALID, RULED_OUT, UNANSWERED

Array = NDArray[np.float64]
Present = NDArray[np.bool_] | Array | None

#: Likelihood ratios are cut here for the curvature, so that their squares stay finite.
LARGEST = 1e140


class Derivatives(NamedTuple):
    """A loss summed over rows, with gradient and reach (M,) and curvature (M, M).

    ``rescaled`` is that of pooled logits times a number.
    """

    value: float
    gradient: Array
    reach: Array
    curvature: Array
    rescaled: float = 0.0


class _Pooled(NamedTuple):
    x: Array  # (M, n, K), 0 where vetoed, absent or at fault
    z: Array  # (n, K), −inf where vetoed
    v: Array  # (M, n), the row's weights
    share: Array  # (M, n), s m/S of maths.md §6
    status: NDArray[np.uint8]  # (n,)


def _pool(arrays: Sequence[NDArray[Any]], v: Array, present: Present) -> _Pooled:
    """Pool a block of rows."""
    with np.errstate(invalid="ignore"):  # float32 signalling NaNs
        x = np.stack([np.asarray(a, dtype=np.float64) for a in arrays])
    m, n, _ = x.shape
    share, answered = np.ones((m, n)), np.ones(n, dtype=bool)
    if present is not None:
        mass = np.einsum("m,mn->n", v, present)
        answered = mass > 0
        share = present * (v.sum() / np.where(answered, mass, 1.0)) * answered
        x[present == 0] = 0.0
    veto = np.isneginf(x)
    fault = ~np.isfinite(x) & ~veto
    x[veto | fault] = 0.0
    row_v = v[:, None] * share
    z = np.asarray(np.einsum("mn,mnk->nk", row_v, x))
    invalid = fault.any(axis=(0, 2)) | ~np.isfinite(z).all(axis=1)
    z[~np.isfinite(z)] = 0.0
    z[veto.any(axis=0)] = -np.inf
    status = np.where(np.isneginf(z).all(axis=1), IMPOSSIBLE, 0).astype(np.uint8)
    status[invalid] = INVALID
    status[~answered] = UNANSWERED
    return _Pooled(x, z, row_v, share, status)


def apply(
    arrays: Sequence[NDArray[Any]],
    v: Array,
    present: Present,
    out: NDArray[Any],
    log: bool,
    status: NDArray[np.uint8],
) -> None:
    """Pool a block of rows into ``out``."""
    row = _pool(arrays, v, present)
    status[:] = row.status
    good = row.status == 0
    soft = reference.softmax(row.z[good])
    out[:] = -np.inf if log else 0.0
    out[row.status == INVALID] = np.nan
    out[good] = row.z[good] - soft.log_z[:, None] if log else soft.p


def log_sums(
    arrays: Sequence[NDArray[Any]],
    v: Array,
    present: Present,
    classes: NDArray[np.int64] | None,
    soft: Array | None,
    u: Array,
    status: NDArray[np.uint8],
    by: float = 0.0,
) -> Derivatives:
    """Sum the log rule's loss and its derivatives over a block of rows (see rules/log.py).

    And, unless it is 0, the loss of pooled logits times ``by``.
    """
    row = _pool(arrays, v, present)
    n, k = row.z.shape
    if soft is None:
        assert classes is not None
        soft = np.zeros((n, k))
        soft[np.arange(n), classes] = 1.0
    y = np.einsum("mnk,nk->mn", row.x, soft)
    ruled_out = ((soft > 0) & np.isneginf(row.z)).any(axis=1)
    clean = row.status == 0
    status[:] = np.where(u == 0, 0, np.where(clean & ruled_out, RULED_OUT, row.status))
    good = (status == 0) & (u != 0)
    x, z, y, u, share = row.x[:, good], row.z[good], y[:, good], u[good], row.share[:, good]
    z_y = (row.v[:, good] * y).sum(axis=0)
    p, log_z = reference.softmax(z)
    finite = np.where(np.isneginf(z), 0.0, z)
    # ℓ' of rules/log.py, which is ℓ where every model answered.
    rest = (1.0 - share) / (v.sum() or 1.0)
    x = share[:, :, None] * x + rest[:, :, None] * finite
    y = share * y + rest * z_y
    mean, curvature = reference.moments(p, x, u)
    best = z.argmax(axis=1)
    at_best = np.take_along_axis(x, best[None, :, None], axis=2)[:, :, 0]
    value = float(np.einsum("n,n->", u, log_z - z_y))
    gradient, reach = (np.einsum("mn,n->m", own - y, u) for own in (mean, at_best))
    rescaled = 0.0
    if by > 0:
        rescaled = float(np.einsum("n,n->", u, reference.softmax(by * z).log_z - by * z_y))
    return Derivatives(value, gradient, reach, curvature, rescaled)


def linear_sums(log_f: Array, w: Array, u: Array) -> Derivatives:
    """Sum ``−u log Σ w exp(log_f)`` over columns, with ``−r``, r and ``r rᵀ`` (rules/linear.py)."""
    log_mixture = reference.log_mixture(w, log_f)
    ruled_out = np.isneginf(log_mixture)
    log_r = log_f - np.where(ruled_out, 0.0, log_mixture)
    with np.errstate(over="ignore"):
        r = np.exp(np.where(ruled_out & (log_f > -np.inf), np.inf, log_r))
    counts = u != 0
    r, u, log_mixture = r[:, counts], u[counts], log_mixture[counts]
    pull = np.einsum("mn,n->m", r, u)
    bounded = np.minimum(r, LARGEST)
    value = -float(np.einsum("n,n->", u, log_mixture))
    return Derivatives(value, -pull, pull, reference.gram(bounded * u, bounded))
