"""Many models, few of which matter: solve for some, prove the rest useless, or take them in.

A pool of M models on N rows needs no more than N of them (Carathéodory), so with thousands of
models the M×M curvature is never formed: each round solves the problem of a working set exactly
and asks which models outside it would still help.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import Status
from .evaluation import Problem, Solution
from .feasible import FeasibleSet
from .newton import TOLERANCE, minimise

Vector = NDArray[np.float64]
Models = NDArray[np.int64]

#: Models taken in per round, at most, and rounds.
ENTERING = 50
MAX_ROUNDS = 200


class LargeProblem(Protocol):
    """A convex problem over the simplex whose restriction to some models is small."""

    def models(self, chosen: Models) -> Problem:
        """Return the problem of some models."""
        ...

    def pull(self, w: Vector, chosen: Models) -> Vector:
        """Return for every model how much it pulls on the optimum of some: above 1 it helps."""
        ...


def minimise_large(
    problem: LargeProblem,
    first: Models,
    excess: Callable[[Vector], float],
    size: int,
    tolerance: float = TOLERANCE,
) -> Solution:
    """Minimise over the simplex of ``size`` models, starting with the models ``first``.

    ``excess`` turns the pulls of all models into a bound on the distance to the optimum.
    """
    chosen, w = np.unique(first), None
    n_evaluations = 0
    for _ in range(MAX_ROUNDS):
        small = problem.models(chosen)
        # A tenth of the tolerance: what the small problem leaves is part of the whole gap.
        found = minimise(small, FeasibleSet(len(chosen)), w, 0.1 * tolerance)
        pull = problem.pull(found.v, chosen)
        n_evaluations += found.n_evaluations + 1
        gap = max(excess(pull), found.gap)
        outside = np.setdiff1d(np.flatnonzero(pull > 1 + 0.5 * tolerance), chosen)
        if gap <= tolerance or not len(outside):
            break
        entering = outside[np.argsort(-pull[outside], kind="stable")[:ENTERING]]
        kept = chosen[found.v > 0]
        weights = found.v[found.v > 0]
        chosen, order = np.unique(np.concatenate([kept, entering]), return_index=True)
        w = np.concatenate([weights, np.zeros(len(entering))])[order]
    full = np.zeros(size)
    full[chosen] = found.v
    status = Status.CONVERGED if gap <= tolerance else Status.NOT_CONVERGED
    return Solution(full, found.evaluation, gap, status, n_evaluations)
