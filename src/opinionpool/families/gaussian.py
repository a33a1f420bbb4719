"""Gaussian distributions, and those of known mean: parameters (…, 2), mean and variance.

The log pool multiplies densities, so precisions add, ``Λ = Σ v_α λ_α``, and the mean is weighted by
them; a mixture of Gaussians is none (maths.md §3). Everything is computed from residuals, never
from second moments about 0, which would cancel for a year or a price.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from .base import Family, LogRows, Present, Sums
from .outcomes import Outcomes

Array = NDArray[np.float64]

_LOG_2PI = float(np.log(2 * np.pi))
#: Outcomes that do not vary still get this share of their size as a standard deviation.
_SPREAD = 1e-6
#: Variances whose inverse is a number, and whose multiple by 2π is one.
_LEAST = float(np.finfo(np.float64).tiny)
_MOST = float(np.finfo(np.float64).max) / 8


class Gaussian(Family):
    """A mean and a variance."""

    name = "gaussian"
    mixes = False
    rules_out = False
    columns: ClassVar[tuple[str, ...]] = ("mean", "variance")

    def log_likelihood(self, parameters: Array, outcomes: Outcomes) -> Array:
        """Return ``−½[(y − μ)²/σ² + ln 2πσ²]``."""
        assert outcomes.values is not None
        mean, variance = parameters[..., 0], parameters[..., 1]
        with np.errstate(over="ignore"):  # −inf beyond 1e154 standard deviations
            z = (outcomes.values - mean) / np.sqrt(variance)
            return np.asarray(-0.5 * (z * z + np.log(variance) + _LOG_2PI))

    def divergence(self, p: Array, q: Array) -> Array:
        """Return ``½[ln(λ_p/λ_q) + λ_q/λ_p − 1 + λ_q (μ_p − μ_q)²]``."""
        ratio = p[..., 1] / q[..., 1]
        apart = (p[..., 0] - q[..., 0]) ** 2 / q[..., 1]
        return np.asarray(0.5 * (ratio - 1 - np.log(ratio) + apart))

    def mean_divergences(
        self, parameters: Array, weight: Array, present: Present | None = None
    ) -> Array:
        """Return ``J = E[(λ_α − λ_β)²/(2λ_αλ_β) + ½(λ_α + λ_β)(μ_α − μ_β)²]``."""
        m = len(parameters)
        result = np.zeros((m, m))
        for a in range(m):
            for b in range(a):
                here = slice(None) if present is None else present[a] & present[b]
                p, q, u = parameters[a, here], parameters[b, here], weight[here]
                if u.sum() > 0:
                    result[a, b] = result[b, a] = u @ symmetric_divergence(p, q) / u.sum()
        return result

    def defined(self, parameters: Array) -> NDArray[np.bool_]:
        """Return which rows have a variance."""
        return np.asarray(~np.isnan(parameters[..., 1]))

    def log_pool(
        self, w: Array, parameters: Array, present: Present | None = None, *, closure: bool = False
    ) -> Array:
        """Return mean and variance of ``∏ p_α^{w_α}``: ``Λ = Σ w λ``, ``Λ μ̄ = Σ w λ μ``."""
        mean, precision = _natural(parameters, present)
        share = _columns(w) * precision
        total = share.sum(axis=0)
        some = total > 0
        share = share / np.where(some, total, 1.0)
        # Deviations from one of the means: a weighted mean of large numbers would lose digits.
        origin = mean[0]
        centre = origin + (share * (mean - origin)).sum(axis=0)
        variance = 1 / np.where(some, total, 1.0)
        return _where(some, centre, variance)

    def mixture(self, w: Array, parameters: Array, present: Present | None = None) -> Array:
        """Return mean and variance of ``Σ w_α p_α``: the spread of the means is part of it."""
        mean, _ = _natural(parameters, present)
        variance = parameters[..., 1]
        if present is not None:
            variance = np.where(present, variance, 0.0)
        share = np.broadcast_to(_columns(w), mean.shape)
        centre = mean[0] + (share * (mean - mean[0])).sum(axis=0)
        within, between = (share * variance).sum(axis=0), (share * (mean - centre) ** 2).sum(axis=0)
        return _where(np.asarray(share.any(axis=0)), centre, within + between)

    def tempered(self, parameters: Array, beta: float) -> Array:
        """Return the Gaussian of precision βλ."""
        if beta == 1:
            return parameters
        with np.errstate(divide="ignore"):
            return np.stack([parameters[..., 0], parameters[..., 1] / beta], axis=-1)

    def log_ambiguity(self, w: Array, parameters: Array, present: Present | None) -> Array:
        """Return ``A = Σ w_α K(p̄, p_α)``."""
        pooled = self.log_pool(w, parameters, present)
        apart = self.divergence(pooled, parameters)
        return np.asarray(np.where(w > 0, w * np.where(w > 0, apart, 0.0), 0.0).sum(axis=0))

    def log_rows(
        self, parameters: Array, outcomes: Outcomes, present: Present | None
    ) -> GaussianRows:
        """Return residuals and precisions, in units of each row's largest precision."""
        assert outcomes.values is not None
        mean, precision = _natural(parameters, present)
        residual = outcomes.values - mean
        if present is not None:
            residual = np.where(present, residual, 0.0)
        unit = precision.max(axis=0)
        unit = np.where(unit > 0, unit, 1.0)
        return GaussianRows(
            precision / unit, residual * np.sqrt(unit), 0.5 * (np.log(unit) - _LOG_2PI)
        )

    def log_excess(self, v: Array, mean: Sums, slope: Array, entropy: float) -> float:
        """Gibbs bound (maths.md §5): ``g·v − ½ ln(1 − τ)``.

        ``log Z_t ≥ E_q Σ t ℓ + H(q)`` with q the pool of variance ``(1 − τ)/Λ``: the loss
        anywhere is at least ``L − g·v + t·(g + ½τ E[λ/Λ]) + ½ ln(1 − τ)``, so a τ < 1 that
        makes the bracket (plus the penalty's slope) non-negative gives a bound.
        """
        if not np.isfinite(mean.value):
            return np.inf
        level = mean.gradient + slope
        short = level < 0
        tau = float((-2 * level[short] / mean.reach[short]).max(initial=0.0))
        return float(level @ v - 0.5 * np.log1p(-tau)) if tau < 1 else np.inf

    def marginal(self, outcomes: Outcomes, weight: Array, size: int) -> Array:
        """Return mean and variance of the outcomes."""
        assert outcomes.values is not None
        # In units of the largest, whose square may be no number.
        unit = float(np.abs(outcomes.values).max()) or 1.0
        y, u = outcomes.values / unit, weight / weight.sum()
        centre = self._centre(y, u)
        variance = max(float(u @ (y - centre) ** 2), _SPREAD**2)
        return np.array([unit * centre, min(max(unit * variance * unit, _LEAST), _MOST)])

    def _centre(self, y: Array, u: Array) -> float:
        return float(u @ y)


class Variance(Gaussian):
    """Residual models of mean zero, ``y ~ N(0, σ²)``: the Gaussian with every mean 0."""

    name = "variance"
    columns = ("variance",)

    def shown(self, parameters: Array) -> Array:
        """Return variances (…, 1)."""
        return parameters[..., 1:]

    def from_shown(self, shown: Array) -> Array:
        """Return mean zero and variance."""
        return np.concatenate([np.zeros_like(shown), shown], axis=-1)

    def _centre(self, y: Array, u: Array) -> float:
        return 0.0


class GaussianRows(LogRows):
    """Scaled precisions and residuals ``r = y − μ``, (M, n), 0 where absent.

    With ``ē = y − μ̄ = Σ v λ r/Λ`` the pool's own residual and ``d = μ̄ − μ = r − ē``:
    ``L = ½Λē² − ½ ln(Λ/2π)``, ``g = ½λ[ē(2r − ē) − 1/Λ]``, since ``r² − d² = ē(2r − ē)``.
    """

    def __init__(self, precision: Array, residual: Array, offset: Array) -> None:
        self.precision, self.residual = precision, residual
        self.offset = offset  # ½ ln(unit/2π): what scaling took out of the log-density

    def losses(self, v: Array) -> Array:
        """Return ``½Λē² − ½ ln(Λ/2π)``."""
        total, residual = self._pool(v)
        return _losses(total, residual) - self.offset

    def evaluate(self, v: Array, u: Array, scale: Array | None = None) -> Sums:
        """Sum loss, gradient, curvature, and ``E[λ_α/Λ]``."""
        total, e = self._pool(v)
        loss = float(u @ np.where(u > 0, _losses(total, e) - self.offset, 0.0))
        m = len(self.precision)
        if not np.isfinite(loss):  # v = 0: a barrier
            return Sums(np.inf, np.zeros(m), np.zeros((m, m)), np.ones(m))
        share, d = self.precision / total, self.residual - e
        slope = 0.5 * self.precision * (e * (e + 2 * d) - 1 / total)
        # Under p̄ the deviation of ℓ_α is −[share/√2 · (ε² − 1)/√2 + √Λ share d · ε], ε ~ N(0, 1).
        features = np.stack([share / np.sqrt(2), np.sqrt(total) * share * d], axis=-1)
        if scale is not None:
            s = v.sum(axis=0)
            w = v / np.where(s > 0, s, 1.0)
            slope_centre = (w * slope).sum(axis=0)
            centre = (w[:, :, None] * features).sum(axis=0)
            slope = slope_centre + scale * (slope - slope_centre)
            features = centre + scale[:, :, None] * (features - centre)
        flat = (features * np.sqrt(u)[:, None]).reshape(m, -1)
        return Sums(loss, slope @ u, flat @ flat.T, share @ u)

    def _pool(self, v: Array) -> tuple[Array, Array]:
        """Return Λ (n,) and the pool's residual (n,); 1 and 0 in a row without any weight."""
        share = _columns(v) * self.precision
        total = share.sum(axis=0)
        if v.ndim == 2:
            total = np.where(total > 0, total, 1.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            return total, (share * self.residual).sum(axis=0) / total


def symmetric_divergence(p: Array, q: Array) -> Array:
    """Return ``J = (λ_p − λ_q)²/(2λ_pλ_q) + ½(λ_p + λ_q)(μ_p − μ_q)²``."""
    ratio = p[..., 1] / q[..., 1]
    apart = (p[..., 0] - q[..., 0]) ** 2
    spread = 0.5 * (ratio - 1) * (1 - 1 / ratio)
    return np.asarray(spread + 0.5 * (apart / p[..., 1] + apart / q[..., 1]))


def _losses(total: Array, residual: Array) -> Array:
    with np.errstate(divide="ignore"):
        return np.where(total > 0, 0.5 * (total * residual**2 - np.log(total)), np.inf)


def _natural(parameters: Array, present: Present | None) -> tuple[Array, Array]:
    """Return means and precisions (M, n): 0 where absent."""
    mean, variance = parameters[..., 0], parameters[..., 1]
    if present is None:
        return mean, 1 / variance
    return np.where(present, mean, 0.0), np.where(present, 1 / variance, 0.0)


def _columns(w: Array) -> Array:
    return w if w.ndim == 2 else w[:, None]


def _where(some: NDArray[np.bool_], mean: Array, variance: Array) -> Array:
    both = np.stack([mean, variance], axis=-1)
    both[~some] = np.nan
    return both


GAUSSIAN = Gaussian()
VARIANCE = Variance()
