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
    by_blocks = True

    def choose(self, task: Task) -> Choice:
        """Return a one-hot weight."""
        evidence = task.evidence
        total = np.zeros(evidence.n_models)
        for part, log_f in evidence.likelihood_parts():
            losses = -log_f
            if part.present is not None:
                losses = np.where(part.present, losses, part.fallback_loss())
            counts = part.weight > 0  # not 0·inf
            total += losses[:, counts] @ part.weight[counts]
        weights = np.zeros(evidence.n_models)
        weights[np.argmin(total)] = 1.0
        return fixed(weights, 1)
