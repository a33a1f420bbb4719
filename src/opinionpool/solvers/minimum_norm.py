"""Among equally good weights, the ones nearest to equal (maths.md §5, *equal models*)."""

from __future__ import annotations

import numpy as np

from .evaluation import Problem, Solution
from .feasible import FeasibleSet
from .newton import certified_gap
from .quadratic import solve

#: Curvature below this share of the largest is taken for none.
_FLAT = 1e-11


def nearest_to_equal(problem: Problem, feasible: FeasibleSet, found: Solution) -> Solution:
    """Move a convex optimum along flat directions to the minimiser of ``‖v − (s/M)1‖``.

    Flat are the directions t with ``H t = 0`` and ``g·t = 0``; the objective is constant on
    them as far as the quadratic model goes, and the result is kept only if the problem itself
    agrees.
    """
    v, g, H = found.v, found.evaluation.gradient, found.evaluation.curvature
    m = len(v)
    spectrum, vectors = np.linalg.eigh(H)
    flat = vectors[:, spectrum <= _FLAT * max(spectrum[-1], np.finfo(float).tiny)]
    rows = [flat.T @ g] if feasible.capped else [flat.T @ g, flat.T @ np.ones(m)]
    size = np.linalg.norm(np.array(rows), axis=1, keepdims=True)
    # What is left of the gradient at an optimum is rounding: only a real slope counts.
    slopes = np.array(rows)[size[:, 0] > 1e-7 * (1 + np.abs(g).max())]
    if flat.shape[1] <= len(slopes):
        return found
    if len(slopes):
        _, _, basis = np.linalg.svd(slopes)
        flat = flat @ basis[len(slopes) :].T
    centred = flat - flat.mean(axis=0)
    d = flat.shape[1]
    total = flat.sum(axis=0)
    spare = feasible.total - v.sum() if feasible.capped else 0.0
    t = solve(
        centred.T @ centred + 1e-12 * np.eye(d),
        centred.T @ v,
        np.ascontiguousarray(np.vstack([flat, total])),
        np.concatenate([np.full(d, 1e30), np.full(m, 1e30), [max(spare, 0.0) + 1e-12]]),
        np.concatenate([np.full(d, -1e30), feasible.lower - v, [-1e30]]),
        equality=False,
    )
    if t is None:
        return found
    moved = feasible.tidy(v + flat @ t)
    evaluation = problem.evaluate(moved)
    gap = certified_gap(evaluation, moved, feasible)
    n_evaluations = found.n_evaluations + 1
    if gap > max(found.gap, 1e-9):
        return Solution(v, found.evaluation, found.gap, found.status, n_evaluations)
    return Solution(moved, evaluation, gap, found.status, n_evaluations)
