"""Vector scaling: a factor and an offset per class, after pooling (Guo et al. 2017, §4.2).

``p ∝ exp(a_k ln p̄_k + b_k)``. The loss is convex in (a, b); a small ridge towards a = 1, b = 0,
as much as one row says about each number, keeps it bounded where a class was hardly seen.

Classes are seen unequally often, so curvatures differ by orders of magnitude. The search takes
place in coordinates in which the curvature at the start, of a sample of the rows, is the unit
matrix: it ends after a dozen or two passes instead of hundreds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import warn
from ..families.outcomes import Outcomes
from ..maths.plain_numpy import xp
from ..maths.softmax import log_softmax
from .vector_loss import VectorLoss

Array = NDArray[np.float64]

#: Factors stay positive, so that a class that was ruled out stays so.
_LEAST, _MOST = 1e-2, 1e2
#: Slope, nats per row, at which the optimum counts as reached.
_FLAT = 1e-6
#: Slope in the coordinates of a search at which it ends: half its square is about what is left.
_ENOUGH = 1e-7
_MAX_ITERATIONS = 1000
#: Rows whose curvature is good enough for coordinates; numbers whose curvature is too large a
#: matrix: of those only its diagonal is taken.
_SAMPLED, _MANY = 1 << 14, 1 << 11


def fit_vector(
    log_p: Array, outcomes: Outcomes, weight: Array, threads: int = 1
) -> tuple[Array, float]:
    """Return factors and offsets (2, K) for (N, K) log-probabilities, and the mean loss there.

    Warns if the search did not end.
    """
    n, k = log_p.shape
    loss = VectorLoss(log_p, outcomes, weight, threads)
    sample, x = loss.every(max(1, n // _SAMPLED)), loss.neutral
    low = np.repeat([_LEAST, -np.inf], k)
    high = np.repeat([_MOST, np.inf], k)
    many = 2 * k > _MANY
    if not many:
        root = np.linalg.cholesky(sample.curvature(x))
        x = _searched(loss, x, np.linalg.solve(root, np.eye(2 * k)).T)
    if many or ((x <= low) | (x >= high)).any():
        # A bound on one number is none in coordinates that mix them.
        unit = 1 / np.sqrt(sample.curvatures(loss.neutral))
        x = _searched(loss, np.clip(x, low, high), unit, low, high)
    slope = np.abs(x - np.clip(x - loss.evaluate(x)[1], low, high)).max()
    if slope > _FLAT:
        warn(f"scaling='vector' stopped before its optimum (slope {slope:.1g} nats per row)")
    return x.reshape(2, k), loss.loss(x)


def _searched(
    loss: VectorLoss,
    start: Array,
    axes: Array,
    low: Array | None = None,
    high: Array | None = None,
) -> Array:
    """Minimise in the coordinates y of ``x = start + A y``, A a matrix, or the diagonal of one."""
    from scipy.optimize import minimize

    diagonal = axes.ndim == 1

    def objective(y: Array) -> tuple[float, Array]:
        value, slope = loss.evaluate(start + (axes * y if diagonal else axes @ y))
        return value, axes * slope if diagonal else slope @ axes

    bounds: Any = None
    if low is not None and high is not None:
        bounds = np.stack([(low - start) / axes, (high - start) / axes], axis=1)
    found = minimize(
        objective,
        np.zeros_like(start),
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": _MAX_ITERATIONS, "ftol": 0.0, "gtol": _ENOUGH},
    )
    y = np.asarray(found.x)
    x = start + (axes * y if diagonal else axes @ y)
    return x if low is None else np.asarray(np.clip(x, low, high))


def apply_vector(log_p: Array, vector: Array) -> Array:
    """Return scaled, normalised log-probabilities; rows that are all −inf stay so."""
    z = vector[0] * log_p + vector[1]
    possible = z.max(axis=-1) > -np.inf
    z[possible] = log_softmax(z[possible], xp=xp)
    return np.asarray(z)
