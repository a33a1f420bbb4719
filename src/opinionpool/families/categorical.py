"""Categorical distributions over K classes (maths.md §3): log-probabilities, −inf where impossible.

All divergences are in nats. The log pool of any logits is a softmax; a mixture of categorical
distributions is one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..kernels import reference as kernels
from ..maths.plain_numpy import xp
from ..maths.softmax import log_softmax
from .base import Family, LogRows, Present, Sums
from .lazy import Lazy
from .outcomes import Outcomes
from .sureness import sureness

Array = NDArray[np.float64]


class Categorical(Family):
    """K classes."""

    name = "categorical"
    mixes = True
    rules_out = True
    confident = True

    def log_likelihood(self, parameters: Array, outcomes: Outcomes) -> Array:
        """Return ``E_q ℓ``: ``ℓ(y)`` for a class that happened."""
        return outcomes.expectation(parameters)

    def divergence(self, p: Array, q: Array) -> Array:
        """Return ``K(p, q)`` of log-probabilities."""
        return kullback_leibler(p, q)

    def divergences(self, p: Array, others: Array) -> tuple[Array, Array]:
        """Return ``K(p, q_α)`` and ``K(q_α, p)`` of log-probabilities."""
        shares = np.exp(p)
        found = np.empty((2, *others.shape[:2]))
        for there, back, q in zip(*found, others, strict=True):
            with np.errstate(invalid="ignore"):  # −inf less −inf, where it counts nothing
                apart = p - q
            there[:] = _expected(shares, apart)
            back[:] = -_expected(np.exp(q), apart)
        return found[0], found[1]

    def mean_divergences(
        self, parameters: Array, weight: Array, present: Present | None = None
    ) -> Array:
        """Return ``J_αβ = E Σ_k (p_α − p_β)(ℓ_α − ℓ_β)``."""
        return mean_divergences(parameters, weight, present)

    def defined(self, parameters: Array) -> NDArray[np.bool_]:
        """Return which rows have a possible class."""
        return np.asarray(parameters.max(axis=-1) > -np.inf)

    def log_pool(
        self, w: Array, parameters: Array, present: Present | None = None, *, closure: bool = False
    ) -> Array:
        """Return ``log softmax(Σ w_α ℓ_α)``; a class that some counting model gives 0 is out."""
        counting = np.ones(len(w), dtype=bool) if closure else _used(w)
        here = None if present is None else present[counting]
        finite, vetoed = without_vetoes(parameters[counting], here)
        w = w[counting]
        z = kernels.weighted_sum(w, finite)
        if vetoed is not None:
            z[vetoed] = -np.inf
        possible = self.defined(z)
        if w.ndim == 2:
            possible &= w.any(axis=0)
        log_pool = np.full_like(z, -np.inf)
        log_pool[possible] = z[possible] - kernels.softmax(z[possible]).log_z[:, None]
        return log_pool

    def mixture(self, w: Array, parameters: Array, present: Present | None = None) -> Array:
        """Return ``log Σ w_α p_α``."""
        if present is None:
            return kernels.log_mixture(w[w > 0], parameters[w > 0])
        return kernels.log_mixture(
            w[:, :, None], np.where(present[:, :, None], parameters, -np.inf)
        )

    def tempered(self, parameters: Array, beta: float) -> Array:
        """Return ``log softmax(βℓ)``."""
        if beta == 1:
            return parameters
        result, possible = parameters.copy(), self.defined(parameters)
        result[possible] = log_softmax(parameters[possible], beta=beta, xp=xp)
        return result

    def log_ambiguity(self, w: Array, parameters: Array, present: Present | None) -> Array:
        """Return ``A = −log Z = −log Σ_k exp Σ w_α ℓ_αk``."""
        finite, vetoed = without_vetoes(parameters, present)
        z = kernels.weighted_sum(w, finite)
        if vetoed is not None:
            z[vetoed] = -np.inf
        return -kernels.softmax(z).log_z

    def log_rows(
        self, parameters: Array, outcomes: Outcomes, present: Present | None
    ) -> CategoricalRows:
        """Set vetoed and absent cells apart, so that what is left is finite."""
        log_p, vetoed = without_vetoes(parameters, present)
        return CategoricalRows(log_p, outcomes.expectation(log_p), vetoed)

    def log_excess(self, v: Array, mean: Sums, slope: Array, entropy: float) -> float:
        """Gibbs bound (maths.md §5): tight where the Frank–Wolfe gap pays for the whole cap.

        ``log Z_t ≥ Σ q t·ℓ + H(q)`` for every q; with ``q = (1−τ) p̄ + τ δ_k`` the loss
        anywhere is at least ``(1−τ)(L − g·v) + t·((1−τ) g + τ r⁰)``, so a τ that makes the
        last bracket (plus the penalty's slope) non-negative gives a bound.
        """
        g, r0 = mean.gradient, mean.reach
        level, rise = g + slope, r0 - g  # want level + τ·rise ≥ 0
        short = level < 0
        if (rise[short] <= 0).any() or (level + rise)[short].min(initial=0.0) < 0:
            return np.inf if slope.any() else mean.value - entropy
        tau = float((-level[short] / rise[short]).max(initial=0.0))
        if (level + tau * rise < -1e-15 * (1 + np.abs(level))).any():
            return np.inf
        return float((1 - tau) * (g @ v) + tau * mean.value + slope @ v)

    def confidence(self, parameters: Array, threads: int = 1) -> Array:
        """Return ``1 − H/ln K``: 1 for a certainty, 0 for the uniform."""
        if isinstance(parameters, Lazy):
            return sureness(parameters, threads)
        size = np.log(parameters.shape[-1])
        return np.asarray(1 - entropy(np.exp(parameters)) / size)

    def separable(self, v: Array, mean: Sums) -> bool:
        """Whether the pool's favourite is what happened in every row."""
        return bool(v.any() and mean.reach @ v <= 0)

    def marginal(self, outcomes: Outcomes, weight: Array, size: int) -> Array:
        """Return the logarithms of the classes' frequencies, each seen once more than it was."""
        counts = weight @ outcomes.probabilities(size)
        return np.asarray(np.log((counts + 1.0) / (counts.sum() + size)))

    def shown(self, parameters: Array) -> Array:
        """Return probabilities."""
        return np.exp(parameters)

    def from_shown(self, shown: Array) -> Array:
        """Return log-probabilities."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(shown))

    def uniform(self, size: int) -> Array:
        """Return equal log-probabilities."""
        return np.full(size, -np.log(size))


class CategoricalRows(LogRows):
    """Finite log-probabilities (M, n, K), 0 where absent or vetoed, and the vetoes (n, K) apart."""

    def __init__(self, log_p: Array, at_outcome: Array, vetoed: NDArray[np.bool_] | None) -> None:
        self.log_p, self.at_outcome, self.vetoed = log_p, at_outcome, vetoed

    def losses(self, v: Array) -> Array:
        """Return ``log Z − Σ v_α ℓ_α(y)``."""
        row = self._pool(v)
        return kernels.softmax(row.z).log_z - row.at_outcome

    def evaluate(self, v: Array, u: Array, scale: Array | None = None) -> Sums:
        """Sum loss, gradient, curvature, and ``r⁰_α = ℓ_α(k_n) − ℓ_α(y_n)``."""
        row = self._pool(v)
        p, log_z = kernels.softmax(row.z)
        log_p, y = self.log_p, self.at_outcome
        if scale is not None:
            # Σ v ℓ' = z, so the pool itself is unchanged.
            s = v.sum(axis=0)
            s = np.where(s > 0, s, 1.0)
            centre, y_centre = row.z_finite / s[:, None], row.at_outcome / s
            log_p = log_p - centre
            log_p *= scale[:, :, None]
            log_p += centre
            y = y_centre + scale * (y - y_centre)
        mean, curvature = kernels.moments(p, log_p, u)
        favourite = row.z.argmax(axis=-1)
        at_favourite = np.take_along_axis(log_p, favourite[None, :, None], axis=2)[:, :, 0]
        loss = float(u @ (log_z - row.at_outcome))
        return Sums(loss, (mean - y) @ u, curvature, (at_favourite - y) @ u)

    def _pool(self, v: Array) -> _Pooled:
        z = kernels.weighted_sum(v, self.log_p)
        at_outcome = v @ self.at_outcome if v.ndim == 1 else (v * self.at_outcome).sum(axis=0)
        allowed = z if self.vetoed is None else np.where(self.vetoed, -np.inf, z)
        return _Pooled(z, allowed, at_outcome)


class _Pooled(NamedTuple):
    """Pooled logits, before and after vetoes, and ``Σ v_α ℓ_α(y)``."""

    z_finite: Array  # (n, K)
    z: Array  # (n, K), −inf where vetoed
    at_outcome: Array  # (n,)


def entropy(p: Array) -> Array:
    """Return ``−Σ p ln p`` over the last axis, ``0 ln 0 = 0``."""
    return Outcomes(soft=p).entropy()


def kullback_leibler(log_p: Array, log_q: Array) -> Array:
    """Return ``K(p, q) = Σ p (ln p − ln q)`` over the last axis; inf where q = 0 < p."""
    with np.errstate(invalid="ignore"):
        return _expected(np.exp(log_p), log_p - log_q)


def _expected(p: Array, values: Array) -> Array:
    """Return ``Σ p x`` over the last axis; what has probability 0 counts nothing."""
    with np.errstate(invalid="ignore"):
        terms = p * values
    result: Array = terms.sum(axis=-1)
    if np.isfinite(result).all():  # else cells may be 0·∞
        return result
    return np.asarray(np.where(p > 0, terms, 0.0).sum(axis=-1))


def symmetric_divergence(log_p: Array, log_q: Array) -> Array:
    """Return ``J = Σ (p − q)(ln p − ln q) = K(p, q) + K(q, p)`` over the last axis."""
    return kullback_leibler(log_p, log_q) + kullback_leibler(log_q, log_p)


def mean_divergences(log_p: Array, weight: Array, present: Present | None = None) -> Array:
    """Return ``J_αβ = E Σ_k (p_α − p_β)(ℓ_α − ℓ_β)`` of M models over weighted rows: (M, M).

    For each pair the mean is over the rows that both answered. From products of matrices:
    with ``C_αβ = Σ p_α ℓ_β`` it is ``C_αα + C_ββ − C_αβ − C_βα``, where ``C_αα`` is over the
    pair's rows too.
    """
    m = len(log_p)
    here = np.ones(log_p.shape[:2]) if present is None else present.astype(np.float64)
    finite = log_p if present is None else np.where(present[:, :, None], log_p, 0.0)
    p = np.exp(finite)
    p *= (here * weight)[:, :, None]
    # Where nobody is absent that is all; and elsewhere what is absent is 0 already.
    cross = kernels.gram(p.reshape(m, -1), finite.reshape(m, -1))
    own = kernels.gram(np.einsum("mnk,mnk->mn", p, finite), here)
    rows = kernels.gram(here * weight, here)
    total: Array = own + own.T - cross - cross.T
    return np.maximum(total / np.where(rows > 0, rows, 1.0), 0.0)


def without_vetoes(log_p: Array, present: Present | None) -> tuple[Array, NDArray[np.bool_] | None]:
    """Return log-probabilities with 0 at exact zeros and absences, and the vetoed cells."""
    if present is not None:
        log_p = np.where(present[:, :, None], log_p, 0.0)
    zero = np.isneginf(log_p)
    if not zero.any():
        return log_p, None
    return np.where(zero, 0.0, log_p), np.asarray(zero.any(axis=0))


def _used(w: Array) -> NDArray[np.bool_]:
    """Return which models have weight in any row."""
    return np.asarray(w > 0 if w.ndim == 1 else (w > 0).any(axis=1))


FAMILY = Categorical()
