"""Losses of pools and of single models on evidence, in nats."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .rules.base import AnyRule
from .rules.evidence import Evidence

Array = NDArray[np.float64]


def mean_loss(rule: AnyRule, w: Array, s: float, evidence: Evidence, *, closure: bool) -> float:
    """Return the mean loss of a pool on evidence; unanswered rows cost their fallback."""
    return float(
        evidence.weight @ row_losses(rule, w, s, evidence, closure=closure) / evidence.total_weight
    )


def row_losses(rule: AnyRule, w: Array, s: float, evidence: Evidence, *, closure: bool) -> Array:
    """Return a pool's loss in each row, (N,); unanswered rows cost their fallback."""
    result = np.concatenate(
        [rule.row_losses(w, s, block, closure=closure) for block in evidence.blocks()]
    )
    if evidence.present is not None:
        unanswered = ~evidence.present[w > 0].any(axis=0)
        if unanswered.any():
            result = np.where(unanswered, evidence.fallback_loss(), result)
    return result


def model_losses(evidence: Evidence) -> Array:
    """Return each model's mean loss on the rows it answered, NaN where it answered none."""
    u = np.broadcast_to(evidence.weight, (evidence.n_models, evidence.n_rows))
    if evidence.present is not None:
        u = np.where(evidence.present, u, 0.0)
    nll = np.where(u > 0, -evidence.log_likelihood(), 0.0)
    total = u.sum(axis=1)
    result: Array = np.where(
        total > 0, (u * nll).sum(axis=1) / np.where(total > 0, total, 1), np.nan
    )
    return result
