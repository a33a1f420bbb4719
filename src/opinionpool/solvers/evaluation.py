"""What a solver sees of a problem: value, gradient, curvature, and where it may move."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import Status

Vector = NDArray[np.float64]

#: Of sums in float64, relative: a few units in the last place.
ROUNDING = 8 * float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Evaluation:
    """An objective at one point.

    Attributes
    ----------
    value
        Objective, nats per row.
    gradient, curvature
        (M,) gradient and (M, M) positive semi-definite Hessian (or its PSD part).
    excess
        A bound on ``value - minimum`` that the problem knows by itself; inf if it knows none.
    separable
        The point is right on every row: scaling it up never does worse (maths: existence).
    untempered
        The mean loss at T = 1 in the point's proportions; NaN where it was not found on the way.
    rounding
        Differences of values that arithmetic can make, relative to the larger of 1 and the value.
    likely
        What the curvature is likely to be where it is a lower bound, that of some rows alone.
    """

    value: float
    gradient: Vector
    curvature: NDArray[np.float64]
    excess: float = np.inf
    separable: bool = False
    untempered: float = np.nan
    rounding: float = ROUNDING
    likely: NDArray[np.float64] | None = None

    @property
    def finite(self) -> bool:
        """Whether there is a next step to speak of: logits of 1e30 leave no curvature."""
        return bool(np.isfinite(self.value) and np.isfinite(self.curvature).all())

    @property
    def noise(self) -> float:
        """Differences of values that rounding can make."""
        return self.rounding * max(1.0, abs(self.value))


class Problem(Protocol):
    """What a solver minimises. ``convex`` says whether a gap certifies the minimum."""

    @property
    def convex(self) -> bool:
        """Whether the objective is convex on its feasible set."""
        ...

    def evaluate(self, v: Vector) -> Evaluation:
        """Return value, gradient and curvature at ``v``."""
        ...

    def value(self, v: Vector) -> float:
        """Return the value alone, for searches that need no more."""
        ...


@dataclass(frozen=True)
class Solution:
    """Where a solver ended, and what is known about that point."""

    v: Vector
    evaluation: Evaluation
    gap: float
    status: Status
    n_evaluations: int
