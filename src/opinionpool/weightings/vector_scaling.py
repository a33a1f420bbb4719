"""Vector scaling: a factor and an offset per class, after pooling (Guo et al. 2017, §4.2).

``p ∝ exp(a_k ln p̄_k + b_k)``. The loss is convex in (a, b); a small ridge towards a = 1, b = 0,
as much as one row says about each number, keeps it bounded where a class was hardly seen.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import warn
from ..families.outcomes import Outcomes
from ..maths.plain_numpy import xp
from ..maths.softmax import log_softmax

Array = NDArray[np.float64]

RIDGE = 1.0
#: Factors stay positive, so that a class that was ruled out stays so.
_LEAST, _MOST = 1e-2, 1e2
#: Slope, nats per row, at which the optimum counts as reached.
_FLAT = 1e-6
_MAX_ITERATIONS = 1000


def fit_vector(log_p: Array, outcomes: Outcomes, weight: Array) -> Array:
    """Return factors and offsets (2, K) for (N, K) log-probabilities; warns if it did not end."""
    from scipy.optimize import minimize

    k, n = log_p.shape[1], weight.sum()
    q, u = outcomes.probabilities(k), weight / n
    finite = np.where(np.isneginf(log_p), 0.0, log_p)

    def objective(x: Array) -> tuple[float, Array]:
        vector = x.reshape(2, k)
        scaled = apply_vector(log_p, vector)
        error = u[:, None] * (np.exp(scaled) - q)
        away = vector - np.array([[1.0], [0.0]])
        value = -u @ outcomes.expectation(scaled) + RIDGE / n * (away**2).sum()
        gradient = np.stack([(error * finite).sum(axis=0), error.sum(axis=0)])
        return float(value), (gradient + 2 * RIDGE / n * away).ravel()

    start = np.repeat([1.0, 0.0], k)
    low = np.repeat([_LEAST, -np.inf], k)
    high = np.repeat([_MOST, np.inf], k)
    found = minimize(
        objective,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=np.stack([low, high], axis=1),
        options={"maxiter": _MAX_ITERATIONS, "ftol": 0.0, "gtol": 0.1 * _FLAT},
    )
    x = np.asarray(found.x)
    slope = np.abs(x - np.clip(x - objective(x)[1], low, high)).max()
    if slope > _FLAT:
        warn(f"scaling='vector' stopped before its optimum (slope {slope:.1g} nats per row)")
    return x.reshape(2, k)


def apply_vector(log_p: Array, vector: Array) -> Array:
    """Return scaled, normalised log-probabilities; rows that are all −inf stay so."""
    z = vector[0] * log_p + vector[1]
    possible = z.max(axis=-1) > -np.inf
    z[possible] = log_softmax(z[possible], xp=xp)
    return np.asarray(z)
