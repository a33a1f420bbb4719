"""The logarithmic opinion pool: ``p̄ ∝ exp Σ v_α ℓ_α`` (Heskes 1998; maths.md §2 and §5).

The loss ``L(v) = E[log Z_v − Σ v_α ℓ_α(y)]`` is convex in v, with gradient
``E[E_p̄ ℓ_α − ℓ_α(y)]`` and Hessian ``E Cov_p̄(ℓ_α, ℓ_β)``.

With missing outputs a row pools who answered. Its gradient and the positive semi-definite part
of its Hessian are those of a full row whose log-probabilities are replaced by
``ℓ'_β = ℓ̄ + (s m_β/S)(ℓ_β − ℓ̄)``, with ``ℓ̄`` the row's pool at T = 1, ``s = Σv`` and
``S = Σ v_β m_β``: maths.md §6 in one substitution (``D H̃ Dᵀ`` is a covariance of ``ℓ'``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..kernels import reference as kernels
from .base import Rule, Sums, answering
from .evidence import Evidence

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LogBlock:
    """Rows ready to be evaluated: finite log-probabilities, vetoes apart."""

    log_p: Array  # (M, n, K), 0 where absent or vetoed
    at_outcome: Array  # (M, n)
    weight: Array  # (n,)
    vetoed: NDArray[np.bool_] | None  # (n, K)
    present: NDArray[np.bool_] | None  # (M, n)
    fallback_loss: Array | None  # (n,), with present


class LogRule(Rule[LogBlock]):
    """Weighted mean of log-probabilities through a softmax."""

    name = "log"
    joint_temperature = True
    vetoes = True

    def pooled(
        self,
        w: Array,
        log_p: Array,
        present: NDArray[np.bool_] | None = None,
        *,
        closure: bool = False,
    ) -> Array:
        """Pool at T = 1; see :meth:`Rule.pooled`."""
        counting = np.ones(len(w), dtype=bool) if closure else w > 0
        finite, vetoed = _without_vetoes(log_p[counting], _rows(present, counting))
        weights, alive = w[counting], None
        if present is not None:
            weights, _, alive = answering(weights, present[counting], log_p.shape[1])
        z = kernels.weighted_sum(weights, finite)
        if vetoed is not None:
            z[vetoed] = -np.inf
        possible = z.max(axis=-1) > -np.inf
        if alive is not None:
            possible &= alive
        log_pool = np.full_like(z, -np.inf)
        log_pool[possible] = z[possible] - kernels.softmax(z[possible]).log_z[:, None]
        return log_pool

    def prepare(self, evidence: Evidence) -> LogBlock:
        """Set vetoed and absent cells apart, so that what is left is finite."""
        log_p, vetoed = _without_vetoes(evidence.log_p, evidence.present)
        return LogBlock(
            log_p,
            evidence.outcomes.expectation(log_p),
            evidence.weight,
            vetoed,
            evidence.present,
            None if evidence.present is None else evidence.fallback_loss(),
        )

    def evaluate(self, v: Array, block: LogBlock) -> Sums:
        """Sum loss, gradient, curvature, and ``r⁰_α = ℓ_α(k_n) − ℓ_α(y_n)`` over a block."""
        row = self._pool(v, block)
        p, log_z = kernels.softmax(row.z)
        log_p, y = block.log_p, block.at_outcome
        if row.scale is not None:
            # ℓ' of the module's note; Σ v ℓ' = z, so the pool itself is unchanged.
            s = v.sum() or 1.0
            centre, y_centre = row.z_finite / s, row.at_outcome / s
            log_p = log_p - centre
            log_p *= row.scale[:, :, None]
            log_p += centre
            y = y_centre + row.scale * (y - y_centre)
        mean, curvature = kernels.moments(p, log_p, row.weight)
        favourite = row.z.argmax(axis=-1)
        at_favourite = np.take_along_axis(log_p, favourite[None, :, None], axis=2)[:, :, 0]
        loss = float(row.weight @ (log_z - row.at_outcome)) + row.lost
        return Sums(loss, (mean - y) @ row.weight, curvature, (at_favourite - y) @ row.weight)

    def value(self, v: Array, block: LogBlock) -> float:
        """Sum the loss alone."""
        row = self._pool(v, block)
        return float(row.weight @ (kernels.softmax(row.z).log_z - row.at_outcome)) + row.lost

    def excess(self, v: Array, mean: Sums, slope: Array, entropy: float) -> float:
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

    def ambiguity(self, w: Array, evidence: Evidence) -> tuple[Array, Array]:
        """Return error and ``A = −log Z = Σ w_α K(p̄, p_α)`` (Heskes eq. 3)."""
        chosen = np.flatnonzero(w > 0)
        evidence, w = evidence.models(chosen), w[chosen]
        weights = np.repeat(w[:, None], evidence.n_rows, axis=1)
        if evidence.present is not None:
            weights, _, _ = answering(w, evidence.present, evidence.n_rows)
        finite, vetoed = _without_vetoes(evidence.log_p, evidence.present)
        z = kernels.weighted_sum(weights, finite)
        if vetoed is not None:
            z[vetoed] = -np.inf
        return -(weights * evidence.log_likelihood()).sum(axis=0), -kernels.softmax(z).log_z

    def sensitivity(self, v: Array, evidence: Evidence, d: Array) -> Array:
        """Return ``Σ_n u_n ṽ_nα (E_p̄ d_α − d_α(y))``."""
        block = self.prepare(evidence)
        row = self._pool(v, block)
        p, _ = kernels.softmax(row.z)
        moved = np.einsum("mnk,nk->mn", d, p) - evidence.outcomes.expectation(d)
        weights = np.broadcast_to(v[:, None], moved.shape)
        if block.present is not None:
            weights, _, _ = answering(v, block.present, evidence.n_rows)
            weights = weights * v.sum()
        return np.asarray((weights * moved) @ row.weight)

    def separable(self, v: Array, mean: Sums) -> bool:
        """Whether the pool's favourite is what happened in every row."""
        return bool(v.any() and mean.reach @ v <= 0)

    def _pool(self, v: Array, block: LogBlock) -> _Rows:
        """Pool a block's rows over the models that answered them."""
        if block.present is None:
            z = kernels.weighted_sum(v, block.log_p)
            return _Rows(z, _vetoed(z, block), v @ block.at_outcome, block.weight)
        w, share, alive = answering(v, block.present, len(block.weight))
        s = v.sum()
        z = kernels.weighted_sum(s * w, block.log_p)
        assert block.fallback_loss is not None
        return _Rows(
            z,
            _vetoed(z, block),
            s * (w * block.at_outcome).sum(axis=0),
            np.where(alive, block.weight, 0.0),
            # Not weight @ where(...): a fallback that rules the outcome out is inf, and 0·inf NaN.
            float(block.weight[~alive] @ block.fallback_loss[~alive]),
            s * share,
        )


class _Rows(NamedTuple):
    """Pooled logits of a block's rows, before and after vetoes, and what else they cost."""

    z_finite: Array  # (n, K)
    z: Array  # (n, K), −inf where vetoed
    at_outcome: Array  # (n,)
    weight: Array  # (n,), 0 where nobody with weight answered
    lost: float = 0.0  # the loss of those rows
    scale: Array | None = None  # (M, n) s m/S, with missing outputs


def _vetoed(z: Array, block: LogBlock) -> Array:
    return z if block.vetoed is None else np.where(block.vetoed, -np.inf, z)


def _rows(
    present: NDArray[np.bool_] | None, counting: NDArray[np.bool_]
) -> NDArray[np.bool_] | None:
    return None if present is None else present[counting]


def _without_vetoes(
    log_p: Array, present: NDArray[np.bool_] | None
) -> tuple[Array, NDArray[np.bool_] | None]:
    """Return log-probabilities with 0 at exact zeros and absences, and the vetoed cells."""
    if present is not None:
        log_p = np.where(present[:, :, None], log_p, 0.0)
    zero = np.isneginf(log_p)
    if not zero.any():
        return log_p, None
    return np.where(zero, 0.0, log_p), np.asarray(zero.any(axis=0))


RULE = LogRule()
