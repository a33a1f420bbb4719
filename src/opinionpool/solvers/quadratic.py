"""Quadratic programmes over a feasible set of weights, solved by daqp."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .feasible import FeasibleSet

Vector = NDArray[np.float64]

#: Relative ridge that makes a singular curvature positive definite; it only slows the last
#: digits of a Newton step along directions in which the model is flat anyway.
RIDGE = 1e-11
_SOLVED = (1, 2)  # daqp: optimal, optimal with soft constraints


def newton_step(v: Vector, g: Vector, H: NDArray[np.float64], feasible: FeasibleSet) -> Vector:
    """Minimise ``g·t + ½ tᵀHt`` over steps t that keep ``v + t`` feasible.

    Where the programme cannot be solved the step is the Frank–Wolfe one, towards the best
    vertex, which is a descent direction whatever the curvature.
    """
    m = len(v)
    if not feasible.capped:
        g = g - g.min()  # steps keep the total, so this only takes rounding away
    size = unit_of(g, H, feasible)
    Q = H / size
    Q[np.diag_indices(m)] += RIDGE * m
    upper, lower = room_of(v, feasible)
    step = solve(Q, g / size, np.ones((1, m)), upper, lower, equality=not feasible.capped)
    if step is not None:
        step = _polished(v, g, H, feasible, step)
        if feasible.contains(v + step) and feasible.slope(v, g, step) < 0:
            return step
    vertex: Vector = np.full(m, feasible.lower)
    if not (feasible.capped and g.min() >= 0):
        vertex[g.argmin()] += feasible.total - m * feasible.lower
    towards: Vector = vertex - v
    return towards


def unit_of(g: Vector, H: NDArray[np.float64], feasible: FeasibleSet) -> float:
    """Return the largest curvature; where there is none, what the gradient can reach.

    Scaling each model by its own would let a model that is nearly uniform blow up the others.
    """
    reach = float(np.abs(g).max()) / feasible.total
    return max(float(np.diag(H).max()), reach, 1e-300)


def room_of(v: Vector, feasible: FeasibleSet) -> tuple[Vector, Vector]:
    """Return upper and lower bounds of a step's parts, and behind them of their sum."""
    spare = feasible.total - v.sum()
    upper = np.append(np.full(len(v), 1e30), max(spare, 0.0) if feasible.capped else spare)
    lower = np.append(feasible.lower - v, -1e30 if feasible.capped else spare)
    return upper, lower


def _polished(
    v: Vector, g: Vector, H: NDArray[np.float64], feasible: FeasibleSet, step: Vector
) -> Vector:
    """Solve the equations of the active set that daqp found to full precision.

    daqp stops at absolute tolerances, which near the optimum are as large as the step.
    """
    end = v + step
    free = end > feasible.lower + 1e-10 * feasible.total
    n = int(free.sum())
    tight = not feasible.capped or end.sum() >= feasible.total * (1 - 1e-10)
    if n == 0:
        return step
    exact = np.where(free, 0.0, feasible.lower - v)
    equations = np.zeros((n + tight, n + tight))
    equations[:n, :n] = H[np.ix_(free, free)]
    right = np.empty(n + tight)
    right[:n] = -(g + H @ exact)[free]
    if tight:
        equations[n, :n] = equations[:n, n] = np.sqrt(np.abs(np.diag(H)).max())
        right[n] = equations[n, 0] * (feasible.total - v.sum() - exact.sum())
    # lstsq: the smallest step where identical or useless models make the equations singular.
    exact[free] = np.linalg.lstsq(equations, right, rcond=1e-13)[0][:n]
    inside = (v + exact >= feasible.lower).all()
    inside &= not feasible.capped or (v + exact).sum() <= feasible.total * (1 + 1e-15)

    def model(t: Vector) -> float:
        return float(g @ t + 0.5 * (t @ H @ t))

    rounding = 1e-15 * float(np.abs(g) @ np.abs(step))
    return exact if inside and model(exact) <= model(step) + rounding else step


def solve(
    Q: NDArray[np.float64],
    f: Vector,
    A: NDArray[np.float64],
    upper: Vector,
    lower: Vector,
    *,
    equality: bool,
) -> Vector | None:
    """Minimise ``½ xᵀQx + f·x`` with bounds on x and on ``A x``; None if it was not solved.

    The first ``len(f)`` entries of ``upper`` and ``lower`` bound x itself, the others bound
    the rows of A; ``equality`` makes the last row an equation.
    """
    import daqp

    sense = np.zeros(len(upper), dtype=np.int32)
    if equality:
        sense[-1] = 5
    # daqp wants C-contiguous buffers of its own: it scales them in place.
    size = float(np.abs(f).max(initial=0.0)) or 1.0
    x, _, flag, _ = daqp.solve(
        np.ascontiguousarray(Q).copy(),
        np.ascontiguousarray(f / size).copy(),
        np.ascontiguousarray(A).copy(),
        np.ascontiguousarray(upper / size).copy(),
        np.ascontiguousarray(lower / size).copy(),
        sense,
        primal_tol=1e-12,
        dual_tol=1e-13,
    )
    return np.asarray(x, dtype=np.float64) * size if flag in _SOLVED else None
