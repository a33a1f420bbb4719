"""Error minus ambiguity: why a pool is better than its members are on average (maths.md §4)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..rules.base import AnyRule
from ..rules.evidence import Evidence

Array = NDArray[np.float64]


def decomposition(
    rule: AnyRule,
    weights: Array,
    evidence: Evidence,
    loss: float,
    rows: tuple[Array, Array] | None = None,
) -> dict[str, float]:
    """Split a pool's mean loss: ``loss = average_error − ambiguity − temperature_gain``.

    The split is at T = 1; what the temperature adds on top stands apart. Only rows that some
    model answered may be given, and ``loss`` is the tempered pool's on them. Where no model with
    weight answered, the fallback is all the error there is, and nobody disagrees. ``rows`` are
    error and ambiguity of evidence in memory (:meth:`Rule.ambiguity`), if somebody knows them.
    """
    sums = np.zeros(2)
    for part in evidence.parts():
        sums += error_sums(rule, weights, part, rows)
    average, untempered = (sums / evidence.total_weight).tolist()
    return split(average, untempered, loss)


def error_sums(
    rule: AnyRule, weights: Array, part: Evidence, rows: tuple[Array, Array] | None = None
) -> Array:
    """Return ``Σ u x`` over rows in memory: of the models' mean error, the pool's at T = 1."""
    error, ambiguity = rule.ambiguity(weights, part) if rows is None else rows
    error = _or_fallback(error, weights, part)
    ambiguity = _or_fallback(ambiguity, weights, part, 0.0)
    if np.isinf(error[part.weight > 0]).any():
        # A member of a linear pool gave 0 to what happened: both are infinite, the pool is not.
        own = rule.row_losses(weights, 1.0, part, closure=False)
        untempered = _or_fallback(own, weights, part)
    else:
        untempered = np.subtract(error, ambiguity, where=part.weight > 0, out=np.zeros_like(error))
    return np.array([_summed(part.weight, error), _summed(part.weight, untempered)])


def _or_fallback(
    values: Array, weights: Array, evidence: Evidence, instead: float | None = None
) -> Array:
    """Return rows' values, in those that no model with weight answered their fallback's loss."""
    if evidence.present is None:
        return values
    here = evidence.present[weights > 0].any(axis=0)
    if here.all():
        return values
    return np.where(here, values, evidence.fallback_loss() if instead is None else instead)


def _summed(u: Array, values: Array) -> float:
    """Return ``Σ u x``; rows of weight 0 may hold anything."""
    return float(u @ np.where(u > 0, values, 0.0))


def split(average: float, untempered: float, loss: float) -> dict[str, float]:
    """Return the split from the models' weighted mean loss and the losses of the pool."""
    spread = average - untempered
    return {
        "average_error": average,
        "ambiguity": spread,
        "loss_untempered": untempered,
        "temperature_gain": untempered - loss,
        "loss": loss,
    }
