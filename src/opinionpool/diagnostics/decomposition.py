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
    average = spread = 0.0
    for part in evidence.parts():
        error, ambiguity = rule.ambiguity(weights, part)
        u = part.weight / evidence.total_weight
        average += float(u @ error)
        spread += float(u @ ambiguity)
    untempered = average - spread
    if np.isinf(average):
        # A member of a linear pool gave 0 to what happened: both are infinite, the pool is not.
        untempered = (
            sum(
                float(part.weight @ rule.row_losses(weights, 1.0, part, closure=False))
                for part in evidence.parts()
            )
            / evidence.total_weight
        )
    return split(average, untempered, loss)


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
