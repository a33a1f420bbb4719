"""Projected Newton: each step is a quadratic programme over the feasible set.

The problems are smooth, convex and small (M numbers whatever the number of rows), so a few
evaluations reach rounding error and the duality gap proves it. Where a problem is not convex
(missing outputs renormalised) the same iteration finds a stationary point and says so.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..errors import Status
from .evaluation import ROUNDING, Evaluation, Problem, Solution
from .feasible import FeasibleSet
from .line_search import backtrack
from .quadratic import newton_step

Vector = NDArray[np.float64]

#: Certified distance to the optimum, nats per row, at which iterating stops.
TOLERANCE = 1e-9
MAX_EVALUATIONS = 200
#: Slope, nats per row, below which a point of a problem that is not convex counts as stationary.
_STATIONARY = 1e-5
#: Predicted improvement, nats per row, below which a stationary point is left alone.
_PROMISING = 1e-13
#: Improvement, nats per row, that ten evaluations of such a problem have to bring to go on.
_WORTHWHILE = 1e-8

#: How much more rounding there is in a gap, of slopes, than in a value: logits differ by tens.
_OF_SLOPES = 10


def minimise(
    problem: Problem,
    feasible: FeasibleSet,
    start: Vector | None = None,
    tolerance: float = TOLERANCE,
    max_evaluations: int = MAX_EVALUATIONS,
) -> Solution:
    """Minimise ``problem`` over ``feasible``, from equal weights unless told otherwise."""
    v = feasible.start() if start is None else feasible.tidy(start)
    now = problem.evaluate(v)
    n_evaluations = 1
    history = [now.value]
    while True:
        if now.separable and feasible.capped and not feasible.at_cap(v):
            # Right on every row: the same direction, as sharp as allowed, is never worse.
            sharpest = feasible.tidy(v * (feasible.total / v.sum()))
            trial = problem.evaluate(sharpest)
            n_evaluations += 1
            if trial.value < now.value:
                v, now = sharpest, trial
        gap = certified_gap(now, v, feasible)
        if (
            optimal(now, v, feasible, tolerance)
            or n_evaluations >= max_evaluations
            or not now.finite
        ):
            break
        step = newton_step(v, now.gradient, now.curvature, feasible)
        slope = feasible.slope(v, now.gradient, step)
        if not problem.convex and -slope <= _PROMISING and _stationary(v, now, feasible):
            break  # no gap would tell
        left = max_evaluations - n_evaluations
        trial_v, trial, length, tried = backtrack(
            problem.evaluate, feasible.tidy, v, now, step, slope, left
        )
        n_evaluations += tried
        if not trial.value <= now.value + now.noise:
            break
        stalled = now.value - trial.value <= now.noise
        better = certified_gap(trial, trial_v, feasible) <= gap
        if stalled and not better:
            break
        v, now = trial_v, trial
        history.append(now.value)
        if not problem.convex and len(history) > 10 and history[-11] - now.value < _WORTHWHILE:
            break
        if stalled and np.abs(length * step).max() <= ROUNDING * max(1.0, v.max()):
            break
    return conclude(problem, feasible, v, now, n_evaluations, tolerance)


def certified_gap(now: Evaluation, v: Vector, feasible: FeasibleSet) -> float:
    """Return the smallest valid bound on the excess, never below what rounding can hide."""
    return max(_bound(now, v, feasible), now.noise)


def optimal(now: Evaluation, v: Vector, feasible: FeasibleSet, tolerance: float) -> bool:
    """Whether nothing better than ``tolerance`` is left to be found.

    That float32's rounding hides more is no reason to go on looking for it.
    """
    coarse = now.rounding > ROUNDING
    return (_bound if coarse else certified_gap)(now, v, feasible) <= tolerance


def _bound(now: Evaluation, v: Vector, feasible: FeasibleSet) -> float:
    return float(min(feasible.gap(v, now.gradient), now.excess))


def conclude(
    problem: Problem,
    feasible: FeasibleSet,
    v: Vector,
    now: Evaluation,
    n_evaluations: int,
    tolerance: float = TOLERANCE,
) -> Solution:
    """Say what is known about the last point."""
    gap, tolerance = certified_gap(now, v, feasible), attainable(tolerance, now)
    if not problem.convex:
        status = Status.STATIONARY if _stationary(v, now, feasible) else Status.NOT_CONVERGED
        gap = np.nan
    elif feasible.at_cap(v):
        status = Status.SEPARABLE if gap <= 1e3 * tolerance else Status.NOT_CONVERGED
    else:
        status = Status.CONVERGED if gap <= tolerance else Status.NOT_CONVERGED
    return Solution(v, now, gap, status, n_evaluations)


def _stationary(v: Vector, now: Evaluation, feasible: FeasibleSet) -> bool:
    """Whether Frank–Wolfe's quantity at the point's own total is as good as 0.

    It bounds nothing without convexity, but still measures how much moving weight between models
    could improve the value.
    """
    slope = replace(feasible, total=v.sum(), lower=0.0).gap(v, now.gradient)
    return bool(slope <= _STATIONARY)


def attainable(tolerance: float, now: Evaluation) -> float:
    """Return a tolerance, or what rounding coarser than float64's leaves of slopes."""
    return tolerance if now.rounding <= ROUNDING else max(tolerance, _OF_SLOPES * now.noise)
