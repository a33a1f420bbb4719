"""Who answered which rows: known before any prediction is read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..diagnostics.patterns import Pattern, Patterns
from ..predictions import Predictions, Targets

Array = NDArray[np.float64]

#: Rows that are counted at a time.
_ROWS = 1 << 16


class Heard:
    """Patterns of presence, and the weight of the labelled rows that each model answered.

    Attributes
    ----------
    weights
        (M,).
    total
        Of all labelled rows.
    """

    def __init__(self, known: Predictions, targets: Targets) -> None:
        self.total = float(targets.weight.sum())
        self.weights = np.full(known.n_models, self.total)
        self._patterns: list[Pattern] | None = None
        if known.present is None:
            return
        self.weights = np.zeros(known.n_models)
        patterns = Patterns(known.n_models)
        for first in range(0, len(targets.rows), _ROWS):
            rows = targets.rows[first : first + _ROWS]
            u, here = targets.weight[first : first + _ROWS], known.present[:, rows]
            self.weights += here @ u
            patterns.add(here, u, np.zeros(len(u)))
        self._patterns = patterns.frequent()

    def patterns(self) -> list[Pattern]:
        """Return the patterns, the most frequent first; none where everybody answered."""
        return [] if self._patterns is None else self._patterns

    def shares(self, weights: Array, total: float) -> Array:
        """Return which share these weights of a sample are of all, (M + 1,), the pool's last.

        NaN where a model answered nothing.
        """
        all_rows = np.where(self.weights > 0, self.weights, np.nan)
        return np.append(weights / all_rows, total / self.total)
