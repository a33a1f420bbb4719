"""Weights fitted together with other numbers, which a problem that is not convex leaves bounded.

Each step is a quadratic programme over both, by a curvature that is positive semi-definite, such as
Fisher's information (Gauss and Newton's method): near an optimum it is the Hessian but for terms
that are zero on average where the fit is good. Without convexity nothing bounds the excess; an end
is known by how little the next step promises.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .evaluation import Evaluation
from .feasible import FeasibleSet
from .line_search import backtrack
from .quadratic import RIDGE, room_of, solve, unit_of

Vector = NDArray[np.float64]

MAX_EVALUATIONS = 60
#: Change of a number in one step at most: curvatures tell of what is near.
LONGEST = 2.0
#: Of a step this share is the shortest one tried.
_SHORTEST = 1e-3


@dataclass(frozen=True)
class Beside:
    """Points ``x = (v, θ)``: weights v of a feasible set, and numbers θ between two bounds."""

    weights: FeasibleSet
    low: float
    high: float

    def step(self, x: Vector, now: Evaluation) -> tuple[Vector, float]:
        """Return the best step by a parabola, no θ by more than LONGEST, and what it promises."""
        (v, θ), g, H = self.parts(x), now.gradient, now.curvature
        total = np.concatenate([np.ones(len(v)), np.zeros(len(θ))])
        upper, lower = room_of(v, self.weights)
        high, low = np.minimum(self.high - θ, LONGEST), np.maximum(self.low - θ, -LONGEST)
        upper = np.concatenate([upper[:-1], high, upper[-1:]])
        lower = np.concatenate([lower[:-1], low, lower[-1:]])
        size = unit_of(g, H, self.weights)
        Q = H / size
        Q[np.diag_indices(len(x))] += RIDGE * len(v)
        t = solve(Q, g / size, total[None], upper, lower, equality=not self.weights.capped)
        if t is None:
            return np.zeros_like(x), np.inf
        t = self.tidy(x + t) - x
        return t, -float(g @ t + 0.5 * t @ H @ t)

    def tidy(self, x: Vector) -> Vector:
        """Undo the rounding of a step: back inside the bounds."""
        v, θ = self.parts(x)
        return np.concatenate([self.weights.tidy(v), np.clip(θ, self.low, self.high)])

    def parts(self, x: Vector) -> tuple[Vector, Vector]:
        """Return v and θ."""
        return x[: self.weights.size], x[self.weights.size :]


@dataclass(frozen=True)
class Ended:
    """Where a search ended, and whether what the next step promises is next to nothing."""

    x: Vector
    evaluation: Evaluation
    stationary: bool
    n_evaluations: int


def descend(
    evaluate: Callable[[Vector], Evaluation], space: Beside, start: Vector, tolerance: float
) -> Ended:
    """Go downhill until a step promises no more than ``tolerance``, or rounding hides it."""
    x = space.tidy(start)
    now, n = evaluate(x), 1
    step, promise = space.step(x, now)
    while promise > tolerance and n < MAX_EVALUATIONS:
        slope, left = float(now.gradient @ step), MAX_EVALUATIONS - n
        there, trial, _, tried = backtrack(
            evaluate, space.tidy, x, now, step, slope, left, _SHORTEST
        )
        n += tried
        if not trial.value < now.value:
            break
        x, now = there, trial
        step, promise = space.step(x, now)
    return Ended(x, now, promise <= tolerance + now.noise, n)
