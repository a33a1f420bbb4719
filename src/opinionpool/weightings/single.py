"""The best single model: what a pool has to beat."""

from __future__ import annotations

import numpy as np

from .base import Choice, Task, Weighting, fixed


class Single(Weighting):
    """All weight on the model of least loss, the first on ties.

    A pool of one model at T = 1 is that model under any rule; rows it did not answer cost the
    fallback.
    """

    name = "single"

    def choose(self, task: Task) -> Choice:
        """Return a one-hot weight."""
        evidence = task.evidence
        losses = -evidence.log_likelihood()
        if evidence.present is not None:
            losses = np.where(evidence.present, losses, evidence.fallback_loss())
        weights = np.zeros(evidence.n_models)
        weights[np.argmin(losses @ evidence.weight)] = 1.0
        return fixed(weights, 1)
