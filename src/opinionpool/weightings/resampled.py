"""Optimal weights averaged over bootstraps of the rows: robust where rows are few."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .base import Choice, Task, Weighting, fixed
from .optimal import Optimal


class ResampledOptimal(Weighting):
    """The exact optimum on row bootstraps, averaged; the temperature is fitted afterwards.

    Parameters
    ----------
    draws
        How many bootstraps, at least 2.
    """

    name = "optimal"
    closure = True
    joint = True
    stochastic = True

    def __init__(self, draws: int) -> None:
        whole = isinstance(draws, int | np.integer) and not isinstance(draws, bool)
        if not whole or draws < 2:
            raise InputError(f"resample: found {draws!r}, expected a whole number of at least 2")
        self.draws = int(draws)

    def choose(self, task: Task) -> Choice:
        """Solve on every bootstrap."""
        rng = np.random.default_rng(task.seed)
        # Rows of weight 0 are no rows: a bootstrap of nothing but them would have no optimum.
        evidence, exact = task.evidence.take(task.evidence.weight > 0), Optimal()
        total = np.zeros(evidence.n_models)
        evaluations = 0
        for _ in range(self.draws):
            counts = rng.multinomial(evidence.n_rows, np.full(evidence.n_rows, 1 / evidence.n_rows))
            rows = np.flatnonzero(counts)
            drawn = evidence.take(rows)
            drawn = replace(drawn, weight=drawn.weight * counts[rows])
            # Models that answered none of the drawn rows get no weight from them.
            heard = np.arange(len(total)) if drawn.present is None else _heard(drawn.present)
            choice = exact.choose(replace(task, evidence=drawn.models(heard)))
            total[heard] += choice.weights
            evaluations += choice.n_evaluations
        return fixed(total / total.sum(), evaluations)


def _heard(present: NDArray[np.bool_]) -> NDArray[np.int64]:
    some: NDArray[np.int64] = np.flatnonzero(present.any(axis=1))
    # Rows that nobody answered say nothing about anybody.
    return some if len(some) else np.arange(len(present))
