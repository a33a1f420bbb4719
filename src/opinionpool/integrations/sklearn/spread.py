"""How far off regressors are that do not say so themselves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: A standard deviation is at least this share of the labels' size: one of 0 is no density.
LEAST_SHARE = 1e-6


def root_mean_square(residuals: Array, weight: Array) -> float:
    """Return the weighted root mean square, 0 where no row has weight."""
    total = weight.sum()
    size = np.abs(residuals).max(initial=0.0)  # its square may be no number
    if total == 0 or size == 0:
        return 0.0
    return float(size * np.sqrt(weight @ (residuals / size) ** 2 / total))


def least_std(y: Array) -> float:
    """Return the smallest standard deviation that a prediction of such labels may state."""
    spread = float(np.std(y))
    size = spread if spread > 0 else float(np.abs(y).max())
    return LEAST_SHARE * size if size > 0 else LEAST_SHARE
