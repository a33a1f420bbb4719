"""Newton steps of an inverse temperature, the only thing that is fitted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..rules.objective import Penalty
from ..solvers.feasible import SHARPEST


def stepped(
    beta: float, bends: NDArray[np.float64], scale: float, total: float
) -> tuple[float, float]:
    """Return β after a Newton step on the penalised loss, and how much lower the loss is there.

    Parameters
    ----------
    beta
        Where the rows were read.
    bends
        (2,) first and second derivative of the loss summed over rows, times β and β².
    scale, total
        Of the penalty; the rows' weight.
    """
    if beta <= 0 or beta >= SHARPEST or total <= 0:
        return beta, 0.0
    slope, bend = bends[0] / (beta * total), bends[1] / (beta**2 * total)
    _, pull, stiff = Penalty(scale, total, np.ones(1)).evaluate(np.array([beta]))
    step = -(slope + pull[0]) / max(bend + stiff[0, 0], np.finfo(np.float64).tiny)
    # Within the model's reach: a sample's optimum that is further off is none.
    step = min(float(np.clip(step, -0.5 * beta, beta)), SHARPEST - beta)
    return float(beta + step), -float(slope * step + 0.5 * bend * step**2)
