"""Feasible sets of weights: non-negative, with a total that is fixed or bounded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

#: Largest Σv = 1/T of a fitted temperature (maths.md §5): beyond it a softmax is a hard choice.
SHARPEST = 100.0


@dataclass(frozen=True)
class FeasibleSet:
    """``{v ≥ lower, Σv = total}``, or ``Σv ≤ total`` where ``capped``.

    The simplex is ``FeasibleSet(m)``; the cone over it that a fitted temperature needs,
    v = w/T, is ``FeasibleSet(m, SHARPEST, capped=True)``.
    """

    size: int
    total: float = 1.0
    capped: bool = False
    lower: float = 0.0

    def start(self) -> Vector:
        """Return equal weights that sum to one where the set allows it (T = 1)."""
        return np.full(self.size, (min(1.0, self.total) if self.capped else self.total) / self.size)

    def gap(self, v: Vector, gradient: Vector) -> float:
        """Frank–Wolfe gap: by convexity ``f(v) - min f ≤ max_t gradient·(v - t)``."""
        room = self.total - self.size * self.lower
        steepest = gradient.min()
        best = room * (min(0.0, steepest) if self.capped else steepest)
        return float(gradient @ (v - self.lower) - best)

    def slope(self, v: Vector, gradient: Vector, step: Vector) -> float:
        """Return ``gradient·step``; where the total stays, without its multiplier's rounding.

        Near an optimum the gradient of the models in use is one number, the multiplier of the
        total, and a step that sums to zero only up to rounding would pick it up.
        """
        kept = not self.capped or (self.at_cap(v) and self.at_cap(v + step))
        return float((gradient - gradient.min() if kept else gradient) @ step)

    def contains(self, v: Vector) -> bool:
        """Whether a point is inside, up to rounding; False for NaN."""
        slack = 1e-9 * self.total
        total = v.sum()
        right = total <= self.total + slack if self.capped else abs(total - self.total) <= slack
        return bool(right and v.min() >= self.lower - slack)

    def at_cap(self, v: Vector) -> bool:
        """Whether the bound on the total holds the point back."""
        return self.capped and bool(v.sum() >= self.total * (1 - 1e-9))

    def tidy(self, v: Vector) -> Vector:
        """Undo the rounding of a step: back inside the bounds, back to the total."""
        v = np.maximum(v, self.lower)
        total = v.sum()
        if not self.capped or total > self.total:
            v = np.maximum(v * (self.total / total), self.lower)
        return v
