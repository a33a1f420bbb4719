"""Greedy ensemble selection with replacement (Caruana et al. 2004), the common rival.

Each round adds the model that helps most to a bag of models with equal votes; the best prefix
of the rounds is kept, the first on ties. The weights are multiples of 1/rounds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..rules.objective import PooledLoss
from ..solvers.evaluation import Evaluation
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
        best, best_counts = np.inf, counts
        floor = np.full(len(counts), -np.inf)
        tie = SAME_EVIDENCE / problem.n
        for n in range(1, ROUNDS + 1):
            chosen, value, now = _best_addition(problem, counts, floor)
            counts = counts.copy()
            counts[chosen] += 1
            if n == 1 or value < best - max(tie, _TIE * abs(value)):
                best, best_counts = value, counts
            if n < ROUNDS:
                floor = _lower_bounds(problem, counts, now)
        return fixed(best_counts / best_counts.sum(), problem.passes)


def _best_addition(
    problem: PooledLoss, counts: Array, floor: Array
) -> tuple[int, float, Evaluation | None]:
    """Return the model to add, the loss then, and what else is known of that bag.

    Candidates are tried from the most promising lower bound on, until the bound alone rules
    the rest out: the same choice as trying all of them. The most promising one is mostly chosen:
    its curvature, which bounds the next additions, is asked for at once.
    """
    chosen, best, known = -1, np.inf, None
    for candidate in np.argsort(floor, kind="stable"):
        slack = _TIE * abs(best) if np.isfinite(best) else 0.0
        if floor[candidate] > best + slack:
            break
        trial = counts.copy()
        trial[candidate] += 1
        own = None
        if chosen < 0 and np.isfinite(floor[candidate]):
            own = problem.evaluate(trial / trial.sum())
        value = problem.value(trial / trial.sum()) if own is None else own.value
        tied = abs(value - best) <= slack
        if chosen < 0 or (candidate < chosen if tied else value < best):
            chosen, best, known = int(candidate), value, own
    return chosen, best, known


def _lower_bounds(problem: PooledLoss, counts: Array, now: Evaluation | None = None) -> Array:
    """Bound each addition's loss from below, where the loss is convex.

    By the tangent, and where logits are bounded by what the curvature adds to that at least.
    """
    none = np.full(len(counts), -np.inf)
    if not problem.convex:
        return none
    v = counts / counts.sum()
    now = problem.evaluate(v) if now is None else now
    if not (np.isfinite(now.value) and np.isfinite(now.gradient).all()):
        return none
    mark = problem.landmark(v, now)
    steps = (np.eye(len(v)) - v) / (counts.sum() + 1)
    bounds: Array = now.value + steps @ now.gradient
    return bounds if mark is None else bounds + [mark.rise(step) for step in steps]
