"""Error minus ambiguity: why a pool is better than its members are on average (maths.md §4)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..rules.base import AnyRule
from ..rules.evidence import Evidence


def decomposition(
    rule: AnyRule, weights: NDArray[np.float64], evidence: Evidence, loss: float
) -> dict[str, float]:
    """Split a pool's mean loss: ``loss = average_error − ambiguity − temperature_gain``.

    The split is at T = 1; what the temperature adds on top stands apart. Only rows that some
    model answered may be given, and ``loss`` is the tempered pool's on them.
    """
    error, ambiguity = rule.ambiguity(weights, evidence)
    u = evidence.weight / evidence.total_weight
    average, spread = float(u @ error), float(u @ ambiguity)
    untempered = average - spread
    if np.isinf(average):
        # A member of a linear pool gave 0 to what happened: both are infinite, the pool is not.
        untempered = float(u @ rule.row_losses(weights, 1.0, evidence, closure=False))
    return {
        "average_error": average,
        "ambiguity": spread,
        "loss_untempered": untempered,
        "temperature_gain": untempered - loss,
        "loss": loss,
    }
