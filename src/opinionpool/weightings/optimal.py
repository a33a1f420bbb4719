"""Weights of least (penalised) loss, exactly, with a certificate (maths.md §5)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..errors import Status
from ..families.lazy import Lazy
from ..rules.evidence import Evidence
from ..rules.objective import PooledLoss
from ..solvers.evaluation import Solution
from ..solvers.feasible import FeasibleSet
from ..solvers.minimum_norm import nearest_to_equal
from ..solvers.newton import minimise
from .base import ENOUGH, TRACE, Choice, Task, Weighting, settled, solved
from .missing import INSIDE, best_stationary_point, search_on_face

Array = NDArray[np.float64]

#: Readings of all rows that a search among stationary points may take after that of a sample.
MOST_READS = 15


class Optimal(Weighting):
    """The optimum of the rule's convex objective; identical models share their weight.

    Parameters
    ----------
    near
        (M,) weights over temperature that are not far from it, if such are known.
    """

    name = "optimal"
    closure = True
    joint = True
    by_blocks = True

    def __init__(self, near: Array | None = None) -> None:
        self.near = near

    def choose(self, task: Task) -> Choice:
        """Solve; with missing outputs, return the best of several stationary points."""
        first, group, sizes = identical_models(task.evidence)
        evidence = task.evidence.models(first)
        problem = PooledLoss(task.rule, evidence, task.penalty, sizes)
        feasible = task.feasible(len(first))
        loss, untempered = None, np.nan
        near = None if self.near is None else np.bincount(group, self.near).astype(np.float64)
        if problem.convex:
            found = solved(problem, feasible, task.seed, task.enough, near)
            loss = found.evaluation.value - problem.penalty.evaluate(found.v)[0]
            untempered = found.evaluation.untempered
            if task.penalty == 0 and found.status in (Status.CONVERGED, Status.SEPARABLE):
                found = nearest_to_equal(problem, feasible, found)
        elif isinstance(evidence.parameters, Lazy):
            found = improved(problem, task.feasible(len(first), INSIDE), task.seed)
            loss = found.evaluation.value - problem.penalty.evaluate(found.v)[0]
        else:
            found = best_stationary_point(problem, task.feasible(len(first), INSIDE), task.seed)
        s = settled(float(found.v.sum()), evidence.family)
        # s = 0 (the uniform distribution is best) says nothing about the weights.
        w = found.v / s if s > 0 else sizes / sizes.sum()
        if problem.convex:
            w = np.where(w < TRACE, 0.0, w)
            w /= w.sum()
        return Choice(
            (w / sizes)[group],
            s if task.joint else None,
            found.gap,
            found.status,
            found.n_evaluations,
            loss=loss,
            untempered=untempered,
        )


def improved(problem: PooledLoss, inside: FeasibleSet, seed: int) -> Solution:
    """Search among stationary points of a sample; go on from the best on all rows."""
    sample = problem.sample(seed)
    if sample.convex:  # none of the rows that lack an output was drawn
        start = minimise(sample, inside, tolerance=ENOUGH)
    else:
        start = best_stationary_point(sample, inside, seed)
    # Models that the search left out may be needed after all; or have to stay out, as at any weight
    # they are all there is to rows that nobody else answered.
    everyone = minimise(problem, inside, start.v, max_evaluations=MOST_READS)
    if (start.v > 0).all():
        return everyone
    fewer = search_on_face(problem, inside, start.v > 0, start.v, MOST_READS)
    found = min(everyone, fewer, key=lambda end: end.evaluation.value)
    return replace(found, n_evaluations=everyone.n_evaluations + fewer.n_evaluations)


def identical_models(evidence: Evidence) -> tuple[NDArray[np.int64], NDArray[np.int64], Array]:
    """Return the first of each set of identical models, everyone's set, and the sets' sizes."""
    first: list[int] = []
    group = np.empty(evidence.n_models, dtype=np.int64)
    for model in range(evidence.n_models):
        for g, other in enumerate(first):
            if _same(evidence, model, other):
                group[model] = g
                break
        else:
            group[model] = len(first)
            first.append(model)
    return np.array(first), group, np.bincount(group).astype(np.float64)


def _same(evidence: Evidence, a: int, b: int) -> bool:
    c = evidence.confidence
    if c is not None and not np.array_equal(c[a], c[b], equal_nan=True):
        return False
    if isinstance(evidence.parameters, Lazy):
        # Checksums of 2**21 cells are those of the same cells twice as large, spreads are not.
        sums, spread = evidence.parameters.checksums, evidence.parameters.spread
        same = sums is not None and bool(sums[a] == sums[b])
        return same and (spread is None or bool(spread[a] == spread[b]))
    if evidence.present is None:
        return np.array_equal(evidence.parameters[a], evidence.parameters[b])
    here = evidence.present[a]
    return np.array_equal(here, evidence.present[b]) and np.array_equal(
        evidence.parameters[a, here], evidence.parameters[b, here]
    )
