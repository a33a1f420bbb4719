"""The best single model: what a pool has to beat."""

from __future__ import annotations

import numpy as np

from ..rules.objective import PooledLoss
from .base import Choice, Task, Weighting, fixed


class Single(Weighting):
    """All weight on the model of least loss, the first on ties."""

    name = "single"

    def choose(self, task: Task) -> Choice:
        """Return a one-hot weight."""
        problem = PooledLoss(task.rule, task.evidence)
        corners = np.eye(task.evidence.n_models)
        own = [problem.value(corner) for corner in corners]
        return fixed(corners[int(np.argmin(own))], len(own))
