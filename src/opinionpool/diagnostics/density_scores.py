"""Scores of predicted densities against what was observed (maths.md §7)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..families.mixture import Mixture

Array = NDArray[np.float64]

#: Central intervals whose coverage is reported.
INTERVALS = (0.5, 0.9)


def density_scores(predicted: Mixture, y: Array, weight: Array) -> dict[str, float]:
    """Score mixtures of N rows: ``nll``, ``crps``, ``rmse``, ``bias``, and coverages.

    NLL in nats per row, of a density: it depends on the unit of y and may be negative. CRPS,
    RMSE and bias (prediction minus outcome) in units of y. ``coverage_50`` and ``coverage_90``
    are the shares of outcomes inside the central intervals of that mass: equal to it where the
    spread is right, smaller where predictions are too sure.
    """
    u = weight / weight.sum()
    error = predicted.mean - y
    # Where the outcome lies between the two tails: |2F − 1| from the smaller one.
    central = 1 - 2 * np.minimum(predicted.cdf(y), predicted.survival(y))
    return {
        "nll": -float(u @ predicted.log_density(y)),
        "crps": float(u @ predicted.crps(y)),
        "rmse": float(np.sqrt(u @ error**2)),
        "bias": float(u @ error),
        # Summed alike above and below the line: all rows are a share of 1, not of 1 + 7e-16.
        **{
            f"coverage_{100 * c:.0f}": float(weight[central <= c].sum() / weight.sum())
            for c in INTERVALS
        },
    }
