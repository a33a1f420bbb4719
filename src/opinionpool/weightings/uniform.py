"""Equal weights: nothing to choose, and hard to beat when rows are few."""

from __future__ import annotations

import numpy as np

from .base import Choice, Task, Weighting, fixed


class Uniform(Weighting):
    """The same weight for every model."""

    name = "uniform"
    by_blocks = True
    learns = False

    def choose(self, task: Task) -> Choice:
        """Return equal weights."""
        m = task.evidence.n_models
        return fixed(np.full(m, 1.0 / m))
