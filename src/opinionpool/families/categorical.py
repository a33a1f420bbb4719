"""Categorical distributions over K classes: entropy and divergences, in nats (maths.md §3).

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
