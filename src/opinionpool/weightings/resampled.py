"""Optimal weights averaged over bootstraps of the rows: robust where rows are few."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..families.lazy import Lazy
from ..rules.evidence import Evidence
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
    by_blocks = True
    many_passes = True
    stochastic = True

    def __init__(self, draws: int) -> None:
        whole = isinstance(draws, int | np.integer) and not isinstance(draws, bool)
        if not whole or draws < 2:
            raise InputError(f"resample: found {draws!r}, expected a whole number of at least 2")
        self.draws = int(draws)

    def choose(self, task: Task) -> Choice:
        """Solve on every bootstrap."""
        rng, whole = np.random.default_rng(task.seed), task.evidence
        # Rows of weight 0 are no rows: a bootstrap of nothing but them would have no optimum.
        able = np.flatnonzero(whole.weight > 0)
        total = np.zeros(whole.n_models)
        # Where rows are read again and again: a bootstrap's optimum is not far from that of all.
        near = Optimal().choose(task) if isinstance(whole.parameters, Lazy) else None
        evaluations = 0 if near is None else near.n_evaluations
        for _ in range(self.draws):
            counts = rng.multinomial(len(able), np.full(len(able), 1 / len(able)))
            drawn = _drawn(whole, able, counts)
            # Models that answered none of the drawn rows get no weight from them.
            heard = np.arange(len(total)) if drawn.present is None else _heard(drawn)
            exact = Optimal() if near is None else Optimal(_of_some(near, heard, task))
            choice = exact.choose(replace(task, evidence=drawn.models(heard)))
            total[heard] += choice.weights
            evaluations += choice.n_evaluations
        return fixed(total / total.sum(), evaluations)


def _drawn(whole: Evidence, able: NDArray[np.int64], counts: NDArray[np.int64]) -> Evidence:
    """Return a bootstrap: some rows, as often as they were drawn.

    Of rows that are read by blocks none is copied: those that were not drawn have no weight.
    """
    if isinstance(whole.parameters, Lazy):
        weight = np.zeros_like(whole.weight)
        weight[able] = whole.weight[able] * counts
        return replace(whole, weight=weight)
    some = np.flatnonzero(counts)
    drawn = whole.take(able[some])
    return replace(drawn, weight=drawn.weight * counts[some])


def _of_some(near: Choice, heard: NDArray[np.int64], task: Task) -> NDArray[np.float64]:
    """Return a choice in the weights' own problem, of some of the models."""
    s = near.inverse_temperature
    weights = near.weights[heard]
    total = task.feasible(1).total if s is None else s
    return np.asarray(weights * (total / (weights.sum() or 1.0)))


def _heard(drawn: Evidence) -> NDArray[np.int64]:
    assert drawn.present is not None
    present = drawn.present & (drawn.weight > 0)
    some: NDArray[np.int64] = np.flatnonzero(present.any(axis=1))
    # Rows that nobody answered say nothing about anybody.
    return some if len(some) else np.arange(len(present))
