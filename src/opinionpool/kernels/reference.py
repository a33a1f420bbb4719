"""The plain NumPy kernels of pooling: what compiled twins are held to.

Layout: ``(M, n, K)`` blocks of log-probabilities, float64, models first, so that the pooled
log-probabilities are one matrix–vector product over contiguous memory. A caller hands in
blocks small enough to stay in cache (see ``rules.evidence``); temporaries have a block's size.

Products with a vector are left to ``einsum`` and matrices are multiplied in pieces, so that BLAS
wakes no threads: with one of two cores busy they waited for each other, up to 7 s for a product
of 20 × 100,000 that takes one thread 4 ms (OpenBLAS 0.3).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Multiplications up to which BLAS keeps a product in the calling thread (OpenBLAS,
#: interface/gemm.c: SMP_THRESHOLD_MIN · GEMM_MULTITHREAD_THRESHOLD).
ONE_THREAD = 1 << 18


class Softmax(NamedTuple):
    """A row-wise softmax: probabilities (n, K) and log partition functions (n,)."""

    p: Array
    log_z: Array


def weighted_sum(v: Array, log_p: Array) -> Array:
    """Return ``Σ_α v_α ℓ_α`` for weights of shape (M,), or (M, n) when rows differ: (n, K)."""
    m, n, k = log_p.shape
    if v.ndim == 1:
        return np.asarray(np.einsum("m,mi->i", v, log_p.reshape(m, n * k))).reshape(n, k)
    return np.asarray(np.einsum("mn,mnk->nk", v, log_p))


def softmax(z: Array) -> Softmax:
    """Softmax of rows that may hold −inf but not only −inf."""
    top = z.max(axis=-1, keepdims=True)
    p = np.exp(z - top)
    total = p.sum(axis=-1, keepdims=True)
    p /= total
    return Softmax(p, (top + np.log(total))[:, 0])


def moments(p: Array, log_p: Array, u: Array) -> tuple[Array, Array]:
    """Mean and covariance of the models' log-probabilities under the pooled distribution.

    Returns ``E_p̄ ℓ_α`` as (M, n) and ``Σ_n u_n Cov_p̄(ℓ_α, ℓ_β)`` as (M, M). The covariance is
    a Gram matrix of centred values, so it is positive semi-definite whatever the rounding;
    E[ℓℓ'] − E[ℓ]E[ℓ'] would cancel.
    """
    m = len(log_p)
    mean = np.einsum("mnk,nk->mn", log_p, p)
    centred = log_p - mean[:, :, None]
    centred *= np.sqrt(p * u[:, None])
    flat = centred.reshape(m, -1)
    return mean, gram(flat, flat)


def gram(a: Array, b: Array) -> Array:
    """Return ``Σ_i a_αi b_βi`` of two (M, n) arrays, in pieces that one thread multiplies.

    As it is where pieces would be as narrow as a vector.
    """
    m, n = a.shape
    total, many = np.zeros((m, m)), ONE_THREAD // (m * (m + 1))
    if many < 16 or n <= many:
        return np.asarray(a @ b.T)
    for first in range(0, n, many):
        total += a[:, first : first + many] @ b[:, first : first + many].T
    return total


def log_mixture(w: Array, log_f: Array) -> Array:
    """Return ``log Σ_α w_α exp(log_f_α)`` over the first axis; w like ``log_f`` or (M,).

    Exact where every likely model has weight 0 and where all densities underflow exp: the
    largest term that counts is taken out row by row, never one for all.
    """
    w = w.reshape(w.shape + (1,) * (log_f.ndim - w.ndim))
    with np.errstate(divide="ignore"):
        terms = np.log(w) + log_f
    top = terms.max(axis=0)
    shift = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        mixture: Array = shift + np.log(np.exp(terms - shift).sum(axis=0))
    return mixture
