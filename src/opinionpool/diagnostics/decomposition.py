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
    average = spread = 0.0
    for part in evidence.parts():
        error, ambiguity = rule.ambiguity(weights, part) if rows is None else rows
        u = part.weight / evidence.total_weight
        average += _summed(u, _or_fallback(error, weights, part))
        spread += _summed(u, _or_fallback(ambiguity, weights, part, 0.0))
    untempered = average - spread
    if np.isinf(average):
        # A member of a linear pool gave 0 to what happened: both are infinite, the pool is not.
        untempered = 0.0
        for part in evidence.parts():
            own = rule.row_losses(weights, 1.0, part, closure=False)
            untempered += _summed(part.weight, _or_fallback(own, weights, part))
        untempered /= evidence.total_weight
    return split(average, untempered, loss)


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
