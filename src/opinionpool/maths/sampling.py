"""Draws from categorical distributions, by the maximum of perturbed log-probabilities.

Source: Gumbel, *Statistical Theory of Extreme Values and Some Practical Applications* (1954);
Maddison, Tarlow and Minka, "A* sampling" (2014).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ENTRIES = 2**20  # Gumbel variables at a time


def gumbel_max(
    log_p: NDArray[np.floating], draws: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Outcomes (draws, rows) from log-probabilities (rows, K).

    ``argmax(log p + G)`` with standard Gumbel variables G has the distribution p exactly. -inf
    stays below every finite number, so what has no probability is not drawn.
    """
    rows, k = log_p.shape
    found = np.empty((draws, rows), dtype=np.int64)
    step = max(1, _ENTRIES // max(1, rows * k))
    for first in range(0, draws, step):
        part = found[first : first + step]
        noise = rng.gumbel(size=(len(part), rows, k))
        noise += log_p
        np.argmax(noise, axis=-1, out=part)
    return found
