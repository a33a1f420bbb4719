"""Greedy ensemble selection with replacement (Caruana et al. 2004), the common rival.

Each round adds the model that helps most to a bag of models with equal votes; the best prefix
of the rounds is kept, the first on ties. The weights are multiples of 1/rounds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..rules.objective import PooledLoss
from .base import Choice, Task, Weighting, fixed

Array = NDArray[np.float64]

ROUNDS = 50
_TIE = 1e-12  # relative: losses closer than this differ by rounding
#: Prefixes whose total log-likelihoods differ by less than this many nats are tied: no amount
#: of such evidence tells them apart, and the shorter one is simpler. (On mljar_titanic the
#: published bag of five is 0.004 nats, over 223 rows, from the best of fifty rounds.)
SAME_EVIDENCE = 0.01


class Greedy(Weighting):
    """Greedy selection at T = 1."""

    name = "greedy"
    by_blocks = True
    closure = True

    def choose(self, task: Task) -> Choice:
        """Run all rounds and return the best prefix."""
        problem = PooledLoss(task.rule, task.evidence)
        counts = np.zeros(task.evidence.n_models)
        best, best_counts, evaluations = np.inf, counts, 0
        floor = np.full(len(counts), -np.inf)
        tie = SAME_EVIDENCE / problem.n
        for n in range(1, ROUNDS + 1):
            chosen, value, spent = _best_addition(problem, counts, floor)
            counts = counts.copy()
            counts[chosen] += 1
            evaluations += spent
            if n == 1 or value < best - max(tie, _TIE * abs(value)):
                best, best_counts = value, counts
            floor = _lower_bounds(problem, counts)
            evaluations += 1
        return fixed(best_counts / best_counts.sum(), evaluations)


def _best_addition(problem: PooledLoss, counts: Array, floor: Array) -> tuple[int, float, int]:
    """Return the model to add, the loss then, and how many losses that took.

    Candidates are tried from the most promising lower bound on, until the bound alone rules
    the rest out: the same choice as trying all of them.
    """
    chosen, best, spent = -1, np.inf, 0
    for candidate in np.argsort(floor, kind="stable"):
        slack = _TIE * abs(best) if np.isfinite(best) else 0.0
        if floor[candidate] > best + slack:
            break
        trial = counts.copy()
        trial[candidate] += 1
        value = problem.value(trial / trial.sum())
        spent += 1
        tied = abs(value - best) <= slack
        if chosen < 0 or (candidate < chosen if tied else value < best):
            chosen, best = int(candidate), value
    return chosen, best, spent


def _lower_bounds(problem: PooledLoss, counts: Array) -> Array:
    """Bound each addition's loss from below by the tangent, where the loss is convex."""
    none = np.full(len(counts), -np.inf)
    if not problem.convex:
        return none
    v = counts / counts.sum()
    now = problem.evaluate(v)
    if not (np.isfinite(now.value) and np.isfinite(now.gradient).all()):
        return none
    bounds: Array = now.value + (now.gradient - now.gradient @ v) / (counts.sum() + 1)
    return bounds
