"""Categorical distributions over K classes: entropy, divergences and floors, in nats (maths.md §3).

Distributions are log-probabilities along the last axis, −inf where a class is impossible.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def entropy(p: Array) -> Array:
    """Return ``−Σ p ln p`` over the last axis, ``0 ln 0 = 0``."""
    safe = np.where(p > 0, p, 1.0)
    result: Array = -(safe * np.log(safe)).sum(axis=-1)
    return result


def kullback_leibler(log_p: Array, log_q: Array) -> Array:
    """Return ``K(p, q) = Σ p (ln p − ln q)`` over the last axis; inf where q = 0 < p."""
    p = np.exp(log_p)
    with np.errstate(invalid="ignore"):
        terms = np.where(p > 0, p * (log_p - log_q), 0.0)
    result: Array = terms.sum(axis=-1)
    return result


def symmetric_divergence(log_p: Array, log_q: Array) -> Array:
    """Return ``J = Σ (p − q)(ln p − ln q) = K(p, q) + K(q, p)`` over the last axis."""
    return kullback_leibler(log_p, log_q) + kullback_leibler(log_q, log_p)


def floored(log_p: Array, floor: float) -> Array:
    """Raise cells below ε to ε and renormalise (maths.md §2); 0 leaves everything as it is."""
    if floor == 0:
        return log_p
    raised = np.maximum(log_p, np.log(floor))
    raised -= np.log(np.exp(raised).sum(axis=-1, keepdims=True))
    return raised


def mixed(log_p: Array, epsilon: float) -> Array:
    """Mix with the uniform, ``ln((1 − ε) p + ε/K)``: the learned floor of maths.md §2."""
    if epsilon == 0:
        return log_p
    absent = np.isnan(log_p)
    if absent.any():
        return np.where(absent, np.nan, mixed(np.where(absent, 0.0, log_p), epsilon))
    uniform = np.log(epsilon / log_p.shape[-1])
    return np.asarray(np.logaddexp(np.log1p(-epsilon) + log_p, uniform))


def mean_divergences(
    log_p: Array, weight: Array, present: NDArray[np.bool_] | None = None
) -> Array:
    """Return ``J_αβ = E Σ_k (p_α − p_β)(ℓ_α − ℓ_β)`` of M models over weighted rows: (M, M).

    For each pair the mean is over the rows that both answered. From products of matrices:
    with ``C_αβ = Σ p_α ℓ_β`` it is ``C_αα + C_ββ − C_αβ − C_βα``, where ``C_αα`` is over the
    pair's rows too.
    """
    m = len(log_p)
    here = np.ones(log_p.shape[:2]) if present is None else present.astype(np.float64)
    finite = np.where(here[:, :, None] > 0, log_p, 0.0)
    p = np.exp(finite) * (here * weight)[:, :, None]
    cross = p.reshape(m, -1) @ (finite * here[:, :, None]).reshape(m, -1).T
    own = np.einsum("mnk,mnk->mn", p, finite) @ here.T
    rows = (here * weight) @ here.T
    total: Array = own + own.T - cross - cross.T
    return np.maximum(total / np.where(rows > 0, rows, 1.0), 0.0)


def raise_floors(log_p: Array, floors: Array, *, mix: bool) -> Array:
    """Floor (M, N, K) log-probabilities, each model by its own ε of (M,).

    By :func:`mixed` with the uniform, or else by :func:`floored`; 0 leaves a model as it is.
    """
    if not floors.any():
        return log_p
    floor = mixed if mix else floored
    return np.stack([floor(own, e) for own, e in zip(log_p, floors, strict=True)])
