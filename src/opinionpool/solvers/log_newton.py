"""Newton's method on the logarithms of the weights, for problems that are not convex.

With missing outputs a row's pool depends on ratios of weights, so the objective has slopes at
every scale: one model a million times lighter than another may still matter where the heavier
one is absent. In ``a = ln v`` all of these are alike. Weights never become exactly 0 here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import Status
from .evaluation import Evaluation, Problem, Solution
from .feasible import FeasibleSet

Vector = NDArray[np.float64]

#: Largest change of a weight in one step, in e-folds: the quadratic model is local.
LONGEST = 4.0
#: Smallest weight that is still told from 0.
SMALLEST = 1e-12
#: Predicted improvement, nats per row, at which searching stops.
TOLERANCE = 1e-10
#: Predicted improvement below which a point counts as stationary.
STATIONARY = 1e-6
_ARMIJO = 1e-4


def descend(
    problem: Problem, feasible: FeasibleSet, start: Vector, max_evaluations: int
) -> Solution:
    """Go downhill from positive weights to a stationary point."""
    v = _inside(start, feasible)
    now = problem.evaluate(v)
    n_evaluations = 1
    slope, step = _step(v, now, feasible)
    while -slope > TOLERANCE and n_evaluations < max_evaluations:
        length = 1.0
        while n_evaluations < max_evaluations:
            trial_v = _inside(v * np.exp(length * step), feasible)
            trial = problem.evaluate(trial_v)
            n_evaluations += 1
            if trial.value <= now.value + _ARMIJO * length * slope:
                break
            length *= 0.3
        if trial.value >= now.value:
            break
        v, now = trial_v, trial
        slope, step = _step(v, now, feasible)
    status = Status.STATIONARY if -slope <= STATIONARY else Status.NOT_CONVERGED
    return Solution(v, now, np.nan, status, n_evaluations)


def _step(v: Vector, now: Evaluation, feasible: FeasibleSet) -> tuple[float, Vector]:
    """Return the slope along a Newton step in a = ln v, and the step."""
    g = now.gradient - (0.0 if _free(v, feasible) else now.gradient @ v / v.sum())
    gradient = v * g
    # d²f/da² = diag(v) H diag(v) + diag(v g); the absolute value keeps it positive definite.
    hessian = now.curvature * v * v[:, None] + np.diag(np.abs(gradient))
    hessian[np.diag_indices(len(v))] += 1e-12 * np.trace(hessian) + 1e-18
    step = -np.linalg.solve(hessian, gradient)
    step *= LONGEST / max(LONGEST, np.abs(step).max())
    return float(gradient @ step), step


def _free(v: Vector, feasible: FeasibleSet) -> bool:
    """Whether the total may change."""
    return feasible.capped and not feasible.at_cap(v)


def _inside(v: Vector, feasible: FeasibleSet) -> Vector:
    v = np.maximum(v, SMALLEST * v.sum())
    total = v.sum()
    if feasible.capped and total <= feasible.total:
        return v
    scaled: Vector = v * (feasible.total / total)
    return scaled
