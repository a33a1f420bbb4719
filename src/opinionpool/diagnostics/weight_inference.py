"""How sure optimal weights are: the sandwich covariance on the active face (maths.md §5).

The optimum of a convex mean loss is an M-estimator: with B a basis of the directions in which
the models with weight can move, ``V = B(BᵀHB)⁻¹(BᵀΣB)(BᵀHB)⁻¹Bᵀ`` with Σ the covariance of the
mean gradient (Huber 1967; White 1982, Econometrica 50). It holds away from the boundary only;
where it does not, :func:`one_step_draws` or refits on bootstraps take its place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..solvers.feasible import FeasibleSet
from ..solvers.quadratic import RIDGE, solve

Array = NDArray[np.float64]

#: Curvature on the active face below this share of its largest leaves a direction open.
_FLAT = 1e-9
#: Standard errors within which a weight may as well be 0, or a slope.
NEAR = 2.0


@dataclass(frozen=True)
class Estimate:
    """An optimum and what is needed to say how it would move on other rows.

    Attributes
    ----------
    v
        (G,) weights over T, of groups of identical models.
    scores
        (C, G) gradients of clusters of rows (or single rows), each the sum of its rows' ``u s``
        less ``u`` times the mean, over the total weight: their sum is 0.
    gradient, curvature
        Of the (penalised) objective at ``v``.
    feasible
        Where v lives.
    """

    v: Array
    scores: Array
    gradient: Array
    curvature: Array
    feasible: FeasibleSet

    @property
    def active(self) -> NDArray[np.bool_]:
        """Which groups have weight."""
        return np.asarray(self.v > 1e-9 * self.v.sum())


def cluster_scores(scores: Array, weight: Array, cluster: NDArray[np.int64]) -> Array:
    """Return what :attr:`Estimate.scores` is, from row gradients (N, G)."""
    total = weight.sum()
    centred = (scores - weight @ scores / total) * (weight / total)[:, None]
    codes = np.unique(cluster, return_inverse=True)[1]
    if codes.max() + 1 == len(scores):
        return np.asarray(centred)
    found = np.zeros((codes.max() + 1, scores.shape[1]))
    np.add.at(found, codes, centred)
    return found


def sandwich(estimate: Estimate) -> tuple[Array | None, str | None]:
    """Return the covariance (G, G) of v, and why it is not to be trusted, None where it is."""
    v, H, S = estimate.v, estimate.curvature, estimate.scores
    if estimate.feasible.at_cap(v):
        return None, "the temperature stopped at its limit"
    if len(S) < 2:
        return None, "there is only one independent row"
    active = np.flatnonzero(estimate.active)
    B = np.zeros((len(v), len(active)))
    B[active, np.arange(len(active))] = 1.0
    if not estimate.feasible.capped:
        # Orthonormal directions that keep the total.
        B = B @ np.linalg.svd(np.ones((1, len(active))))[2][1:].T
    if B.shape[1] == 0:
        V = np.zeros((len(v), len(v)))
    else:
        inner = B.T @ H @ B
        spectrum = np.linalg.eigvalsh(inner)
        if spectrum[0] <= _FLAT * spectrum[-1]:
            return None, "some weights can be exchanged for others without changing the loss"
        bread = B @ np.linalg.inv(inner) @ B.T
        n = len(S)
        V = bread @ (S.T @ S * (n / (n - 1))) @ bread
    return V, _boundary(estimate, V)


def _boundary(estimate: Estimate, V: Array) -> str | None:
    """Say whether the optimum is too near the boundary for a normal approximation."""
    v, g, S = estimate.v, estimate.gradient, estimate.scores
    active = estimate.active
    if (v[active] < NEAR * np.sqrt(np.diag(V)[active])).any() and active.sum() > 1:
        return "a weight is within two standard errors of 0"
    if active.all():
        return None
    w = v / v.sum()
    multiplier = 0.0 if estimate.feasible.capped else float(w @ g)
    against = S if estimate.feasible.capped else S - (S @ w)[:, None]
    noise = np.sqrt((against**2).sum(axis=0))
    if (g - multiplier < NEAR * noise)[~active].any():
        return "a model without weight might as well have some"
    return None


def of_shares(V: Array, v: Array) -> Array:
    """Return the covariance of ``w = v/Σv`` from that of v, to first order."""
    s = v.sum()
    D = (np.eye(len(v)) - (v / s)[:, None]) / s
    return np.asarray(D @ V @ D.T)


def one_step_draws(estimate: Estimate, draws: int, seed: int) -> Array:
    """Return v on bootstraps of the clusters, (≤ draws, G), by one constrained Newton step each.

    The gradient is that of the drawn rows, the curvature that of all: the objective's quadratic
    model, minimised over the feasible set, so that weights reach 0 as they do on real refits.
    """
    rng = np.random.default_rng(seed)
    v, S, feasible = estimate.v, estimate.scores, estimate.feasible
    m, n = len(v), len(estimate.scores)
    size = max(float(np.diag(estimate.curvature).max()), 1e-300)
    Q = estimate.curvature / size + RIDGE * m * np.eye(m)
    spare = max(feasible.total - v.sum(), 0.0) if feasible.capped else 0.0
    upper = np.append(np.full(m, 1e30), spare)
    lower = np.append(feasible.lower - v, -1e30 if feasible.capped else 0.0)
    found = []
    for _ in range(draws):
        counts = np.bincount(rng.integers(n, size=n), minlength=n)
        f = (estimate.gradient + counts @ S) / size
        step = solve(Q, f, np.ones((1, m)), upper, lower, equality=not feasible.capped)
        if step is not None:
            moved = np.maximum(v + step, 0.0)
            found.append(np.where(moved < 1e-7 * moved.sum(), 0.0, moved))
    return np.array(found).reshape(len(found), m)
