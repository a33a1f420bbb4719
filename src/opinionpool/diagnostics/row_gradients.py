"""Gradients of each row's loss in the weights: what the inference about weights is made of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..families import CATEGORICAL
from ..rules import LOG
from ..rules.base import AnyRule
from ..rules.evidence import Evidence

Array = NDArray[np.float64]


def row_gradients(rule: AnyRule, v: Array, evidence: Evidence) -> Array:
    """Return ``∂L_n/∂v_α``, (N, M), where everybody answered; ``v = w/T`` for the log rule.

    Log rule ``E_p̄ ℓ_α − ℓ_α(y)``, for Gaussians ``½ λ_α [ē(2r_α − ē) − 1/Λ]`` with residuals
    ``r = y − μ`` (families/gaussian.py); linear rule ``−E_q[p_α/p̄]``.
    """
    return np.concatenate([_block(rule, v, block) for block in evidence.blocks()])


def _block(rule: AnyRule, v: Array, block: Evidence) -> Array:
    if rule is not LOG:
        return _linear(v, block)
    if block.family is CATEGORICAL:
        return _categorical(v, block)
    return _gaussian(v, block)


def _categorical(v: Array, block: Evidence) -> Array:
    log_p = block.parameters
    pooled = block.family.log_pool(v, log_p, closure=True)
    # A class that is vetoed has probability 0; what a log of 0 would be there plays no part.
    finite = np.where(np.isneginf(log_p), 0.0, log_p)
    expected = np.einsum("mnk,nk->nm", finite, np.exp(pooled))
    return np.asarray(expected - block.outcomes.expectation(finite).T)


def _gaussian(v: Array, block: Evidence) -> Array:
    assert block.outcomes.values is not None
    mean, precision = block.parameters[..., 0], 1 / block.parameters[..., 1]
    pooled = block.family.log_pool(v, block.parameters)
    e, r = block.outcomes.values - pooled[:, 0], block.outcomes.values - mean
    return np.asarray((0.5 * precision * (e * (2 * r - e) - pooled[:, 1])).T)


def _linear(v: Array, block: Evidence) -> Array:
    own = block.log_likelihood()
    if block.outcomes.soft is None:
        top = own.max(axis=0)
        f = np.exp(own - np.where(np.isfinite(top), top, 0.0))
        return np.asarray(-(f / (v @ f)).T)
    pooled = block.family.mixture(v, block.parameters)
    ratio = np.exp(block.parameters - np.where(np.isneginf(pooled), 0.0, pooled))
    return -np.asarray(block.outcomes.expectation(ratio).T)
