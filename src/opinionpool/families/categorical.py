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
    uniform = np.log(epsilon / log_p.shape[-1])
    return np.asarray(np.logaddexp(np.log1p(-epsilon) + log_p, uniform))
