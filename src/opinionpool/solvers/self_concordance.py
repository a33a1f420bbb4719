"""How far a softmax loss can fall, from its gradient here and its curvature somewhere near.

The third derivative of a log-partition function along t is a third cumulant, at most ρ(t) times
the second, where ``ρ(t) = Σ |t_α| R_α`` and R_α is the largest difference between two logits of
model α in one row. So curvature can neither vanish nor explode at once:
``H(v + t) ≽ e^{−ρ(t)} H(v)`` and ``f(v + t) ≥ f(v) + g·t + ψ(ρ(t)) tᵀHt`` with
``ψ(ρ) = (e^{−ρ} + ρ − 1)/ρ²`` (Bach, "Self-concordant analysis for logistic regression",
Electronic Journal of Statistics 4, 2010, for two classes; the same proof holds for any number).

Where the Frank–Wolfe gap is proportional to what is left of the gradient, this bound is to its
square: it certifies one or two readings earlier.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .feasible import FeasibleSet
from .quadratic import newton_step

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

#: Radii ρ that are tried, the smallest first: within one the bound is a parabola, outside nothing
#: may be lower.
RADII = (0.25, 0.5, 1.0, 2.0, 4.0)


@dataclass(frozen=True)
class Landmark:
    """A point where the curvature is known exactly.

    Attributes
    ----------
    v, curvature
        The point; the Hessian of the loss there, without a penalty.
    spread
        (M,) the R of the models.
    quadratic
        (M, M) Hessian of the quadratic part of a convex penalty; the rest of it is only used
        to be convex.
    """

    v: Vector
    curvature: Matrix
    spread: Vector
    quadratic: Matrix

    def rise(self, t: Vector) -> float:
        """Bound from below how far the loss at ``v + t`` is above its tangent at ``v``."""
        return _psi(float(self.spread @ np.abs(t))) * float(t @ self.curvature @ t)

    def excess(self, v: Vector, gradient: Vector, feasible: FeasibleSet) -> float:
        """Bound how far the objective at ``v``, with this gradient, is above its minimum.

        inf where the curvature is too far away or too weak to say.
        """
        near, needed = np.exp(-float(self.spread @ np.abs(v - self.v))), 0.0
        for radius in RADII:
            if radius < needed:
                continue
            A = 2 * _psi(radius) * near * self.curvature + self.quadratic
            # The feasible set's own gap bounds what the solver of the parabola left undone.
            t = newton_step(v, gradient, A, feasible)
            slope = gradient + A @ t
            fall = -float(gradient @ t + 0.5 * t @ A @ t)
            depth = max(fall + max(feasible.gap(v + t, slope), 0.0), 0.0)
            # Nothing below f(v) is farther from v + t, in the parabola's own norm, than so much.
            needed = float(self.spread @ np.abs(t))
            if depth > 0:  # else nothing is below it, however flat the parabola
                needed += np.sqrt(2 * depth) * self._reach(A)
            # A larger radius allows for a weaker curvature: a deeper parabola, which needs more.
            if needed <= radius:
                return depth
        return np.inf

    def _reach(self, A: Matrix) -> float:
        """Bound ``ρ(x)`` for ``xᵀAx ≤ 1``."""
        try:
            root = np.linalg.cholesky(A)
        except np.linalg.LinAlgError:
            return np.inf
        rows = np.linalg.solve(root, np.diag(self.spread))  # of R A^{-1/2}
        widest = np.linalg.norm(rows, 2) * np.sqrt(len(rows))
        return float(min(np.linalg.norm(rows, axis=0).sum(), widest))


def _psi(rho: float) -> float:
    """Return ``(e^{−ρ} + ρ − 1)/ρ²``, which is ½ at 0."""
    if rho < 1e-4:  # the next term is ρ²/24, and the quotient loses digits
        return 0.5 - rho / 6
    return float((np.exp(-rho) + rho - 1) / rho**2)
