"""Pools of means and variances as distributions: which mixture, and which variance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .families import Family
from .families.mixture import Mixture
from .rules.base import AnyRule, answering

Array = NDArray[np.float64]


def mixture_of(
    rule: AnyRule,
    family: Family,
    w: Array,
    parameters: Array,
    present: Array | NDArray[np.bool_] | None,
    pooled: Array,
) -> Mixture | None:
    """Return what was pooled as one mixture per row, None where the family has no densities.

    Of one Gaussian for the log rule, and of the models for the linear rule. Rows that nobody
    with weight answered have what ``pooled`` (N, 2) says, their fallback.
    """
    if not family.columns:
        return None
    if rule.has_temperature(family):
        return Mixture(np.ones((1, len(pooled))), pooled[None, :, 0], pooled[None, :, 1])
    weights = np.broadcast_to(w[:, None], parameters.shape[:2])
    if present is not None:
        weights, _, alive = answering(w, present, len(pooled))
        parameters = np.where(((present > 0) & alive)[:, :, None], parameters, pooled)
        weights = np.where(alive, weights, np.eye(len(w))[:, :1])
    return Mixture(weights, parameters[..., 0], parameters[..., 1])


def variance_of(rule: AnyRule, family: Family) -> str | None:
    """Say which variance a pool gives; None where there is none."""
    if not family.columns:
        return None
    if rule.has_temperature(family):
        return "of the pooled Gaussian: the precisions, weighted by w/T, add up"
    return "of the mixture: the models' mean variance plus the variance of their means"
