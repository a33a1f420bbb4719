"""Mixtures of Gaussians: what a pool of means and variances predicts, as a distribution.

The linear pool of Gaussians is a mixture, with heavier tails than the Gaussian of its variance; the
log pool is a mixture of one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..kernels import reference as kernels

Array = NDArray[np.float64]

_LOG_2PI = float(np.log(2 * np.pi))
_EPS = float(np.finfo(np.float64).eps)
#: Bisections at most: each halves the bracket, and a double has 2^11 binades of 2^52 numbers.
_MAX_STEPS = 200


@dataclass(frozen=True)
class Mixture:
    """One mixture of Gaussians per row.

    Attributes
    ----------
    weights, means, variances
        (J, N) of J components: weights ≥ 0 that sum to one over each row's components.

    Examples
    --------
    >>> import numpy as np
    >>> from opinionpool import Mixture
    >>> half = np.array([[0.5], [0.5]])
    >>> p = Mixture(half, np.array([[-1.0], [1.0]]), np.ones((2, 1)))
    >>> p.mean, p.variance, p.quantile(0.9).round(4)
    (array([0.]), array([2.]), array([1.8495]))
    """

    weights: Array
    means: Array
    variances: Array

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return int(self.means.shape[1])

    @property
    def mean(self) -> Array:
        """Mean ``Σ w μ`` of each row, (N,)."""
        origin = self.means[0]
        return np.asarray(origin + (self.weights * (self.means - origin)).sum(axis=0))

    @property
    def variance(self) -> Array:
        """Variance ``Σ w σ² + Σ w (μ − μ̄)²`` of each row, (N,)."""
        spread = self.variances + (self.means - self.mean) ** 2
        return np.asarray((self.weights * spread).sum(axis=0))

    @property
    def std(self) -> Array:
        """Standard deviation of each row, (N,)."""
        return np.sqrt(self.variance)

    def log_density(self, y: object) -> Array:
        """Return the log-density at ``y``, which broadcasts against (N,)."""
        z = self._standardised(y)
        own = -0.5 * (z * z + np.log(self.variances) + _LOG_2PI)
        own = np.moveaxis(own, -2, 0)
        w = self.weights.reshape(len(self.weights), *(1,) * (own.ndim - 2), -1)
        return kernels.log_mixture(np.broadcast_to(w, own.shape), own)

    def density(self, y: object) -> Array:
        """Return the density at ``y``, which broadcasts against (N,)."""
        return np.exp(self.log_density(y))

    def cdf(self, y: object) -> Array:
        """Return ``P(Y ≤ y)``, for y that broadcasts against (N,)."""
        return self._tail(y, 1.0)

    def survival(self, y: object) -> Array:
        """Return ``P(Y > y)``, exact where it is far smaller than one."""
        return self._tail(y, -1.0)

    def quantile(self, q: float) -> Array:
        """Return the q-quantile of each row, (N,), for 0 < q < 1.

        By safeguarded Newton steps for the logarithm of the tail, between the smallest and the
        largest component's quantile, on the side where the tail is the smaller one, to rounding.
        """
        from scipy.special import ndtri

        if not (isinstance(q, int | float | np.floating) and 0 < q < 1):
            raise InputError(f"q: found {q!r}, expected a number above 0 and below 1")
        used = self.weights > 0
        own = self.means + np.sqrt(self.variances) * ndtri(q)
        low = np.where(used, own, np.inf).min(axis=0)
        high = np.where(used, own, -np.inf).max(axis=0)
        sign, target = (1.0, q) if q <= 0.5 else (-1.0, 1.0 - q)
        # The narrowest component's width: the whole mixture's may be far coarser than a mode.
        finest = np.sqrt(np.where(used, self.variances, np.inf).min(axis=0))
        y = np.clip(self.mean, low, high)
        for _ in range(_MAX_STEPS):
            # Excess of the tail over its target; it rises with y on the left, falls on the right.
            tail = self._tail(y, sign)
            excess = sign * (tail - target)
            low, high = np.where(excess < 0, y, low), np.where(excess >= 0, y, high)
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                # Of the logarithm, which is nearly a parabola: of the tail itself a step far out
                # gains a factor e only.
                newton = y - sign * np.log(tail / target) * (tail / self.density(y))
            inside = (newton > low) & (newton < high)
            step = np.where(inside, newton, 0.5 * low + 0.5 * high)
            still = (excess != 0) & (np.abs(step - y) > _EPS * np.maximum(np.abs(y), finest))
            y = np.where(still, step, y)
            if not still.any():
                break
        return y

    def crps(self, y: object) -> Array:
        """Return the continuous ranked probability score at ``y``, like (N,), in units of y.

        ``Σ w_i A(y − μ_i, σ_i) − ½ Σ w_i w_j A(μ_i − μ_j, √(σ_i² + σ_j²))`` with
        ``A(m, s) = E|N(m, s²)|`` (Grimit, Gneiting, Berrocal & Johnson 2006).
        """
        sigma = np.sqrt(self.variances)
        score = (self.weights * sigma * _mean_size(self._standardised(y), 1.0)).sum(axis=-2)
        for w, mean, variance in zip(self.weights, self.means, self.variances, strict=True):
            apart = _mean_size(mean - self.means, np.sqrt(variance + self.variances))
            score = score - 0.5 * w * (self.weights * apart).sum(axis=0)
        return np.asarray(score)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_] | slice) -> Mixture:
        """Return the mixtures of some rows."""
        return Mixture(self.weights[:, rows], self.means[:, rows], self.variances[:, rows])

    def _standardised(self, y: object) -> Array:
        """Return ``(y − μ)/σ`` of every component, (..., J, N)."""
        at = np.atleast_1d(np.asarray(y, dtype=np.float64))
        return np.asarray((at[..., None, :] - self.means) / np.sqrt(self.variances))

    def _tail(self, y: object, sign: float) -> Array:
        """Return the mass below y for sign 1, above y for sign −1."""
        from scipy.special import ndtr

        return np.asarray((self.weights * ndtr(sign * self._standardised(y))).sum(axis=-2))


def _mean_size(m: Array, s: Array | float) -> Array:
    """Return ``A(m, s) = 2sφ(m/s) + m(2Φ(m/s) − 1)``."""
    from scipy.special import erf

    z = m / s
    density = np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)
    return np.asarray(2 * s * density + m * erf(z / np.sqrt(2)))
