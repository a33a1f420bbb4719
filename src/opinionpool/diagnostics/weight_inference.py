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

from ..kernels.reference import gram
from ..solvers.feasible import FeasibleSet
from ..solvers.quadratic import RIDGE, solve
from .paired import Clusters

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
        less ``u`` times the mean, over the total weight: their sum is 0. Where clusters are
        many, of random groups of them.
    gradient, curvature
        Of the (penalised) objective at ``v``.
    feasible
        Where v lives.
    moments, clusters
        (G, G) the sum of clusters' ``score scoreᵀ``, and how many clusters there are; None for
        those of ``scores``.
    """

    v: Array
    scores: Array
    gradient: Array
    curvature: Array
    feasible: FeasibleSet
    moments: Array | None = None
    clusters: int | None = None

    @property
    def n(self) -> int:
        """How many independent clusters there are."""
        return len(self.scores) if self.clusters is None else self.clusters

    @property
    def spread(self) -> Array:
        """Σ, the covariance of the mean gradient without its factor n/(n − 1)."""
        return np.asarray(self.scores.T @ self.scores if self.moments is None else self.moments)

    @property
    def active(self) -> NDArray[np.bool_]:
        """Which groups have weight."""
        return np.asarray(self.v > 1e-9 * self.v.sum())


class Scores:
    """Row gradients, summed over blocks of rows into what an :class:`Estimate` needs of them.

    Parameters
    ----------
    columns
        How many weights there are.
    clusters
        Which rows are one draw.
    """

    def __init__(self, columns: int, clusters: Clusters) -> None:
        self.clusters = clusters
        self._n = clusters.groups(columns)
        self._by_group, self._weight = np.zeros((self._n, columns)), np.zeros(self._n)
        self._moments = np.zeros((columns, columns))  # Σ u² s sᵀ
        self._crossed, self._squares = np.zeros(columns), 0.0  # Σ u² s, Σ u²
        self._origin: Array | None = None

    def add(self, scores: Array, weight: Array, codes: NDArray[np.int64]) -> None:
        """Add rows: gradients (n, M), weights and clusters (n,)."""
        if self._origin is None:
            # Deviations from about the mean: sums of squares would cancel.
            self._origin = np.asarray(weight @ scores / weight.sum())
        s = scores - self._origin
        us = s * weight[:, None]
        group = self.clusters.group(codes, self._n)
        self._weight += np.bincount(group, weight, minlength=self._n)
        for column in range(s.shape[1]):
            self._by_group[:, column] += np.bincount(group, us[:, column], minlength=self._n)
        self._moments += gram(us.T, us.T)
        self._crossed += weight @ us
        self._squares += float(weight @ weight)

    def found(self) -> tuple[Array, Array, int]:
        """Return :class:`Estimate`'s ``scores``, ``moments`` and ``clusters``."""
        total = self._weight.sum()
        mean = self._by_group.sum(axis=0) / total
        grouped = (self._by_group - np.outer(self._weight, mean)) / total
        moments = grouped.T @ grouped
        if self.clusters.by_row:  # groups or none, rows are what is independent
            cross = np.outer(mean, self._crossed)
            moments = self._moments - cross - cross.T + self._squares * np.outer(mean, mean)
            moments = moments / total**2
        return grouped, np.asarray(moments), self.clusters.count


def sandwich(estimate: Estimate) -> tuple[Array | None, str | None]:
    """Return the covariance (G, G) of v, and why it is not to be trusted, None where it is."""
    v, H, n = estimate.v, estimate.curvature, estimate.n
    if estimate.feasible.at_cap(v):
        return None, "the temperature stopped at its limit"
    if n < 2:
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
        V = bread @ (estimate.spread * (n / (n - 1))) @ bread
    return V, _boundary(estimate, V)


def _boundary(estimate: Estimate, V: Array) -> str | None:
    """Say whether the optimum is too near the boundary for a normal approximation."""
    v, g = estimate.v, estimate.gradient
    active = estimate.active
    if (v[active] < NEAR * np.sqrt(np.diag(V)[active])).any() and active.sum() > 1:
        return "a weight is within two standard errors of 0"
    if active.all():
        return None
    w = v / v.sum()
    multiplier = 0.0 if estimate.feasible.capped else float(w @ g)
    against = np.eye(len(v)) - (0.0 if estimate.feasible.capped else w[:, None])
    noise = np.sqrt(np.maximum(np.diag(against.T @ estimate.spread @ against), 0.0))
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
    model, minimised over the feasible set, so that weights reach 0 as they do on real refits
    (the score bootstrap of Kline & Santos 2012, *Journal of Econometric Methods* 1).
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
