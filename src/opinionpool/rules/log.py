"""The logarithmic opinion pool: ``p̄ ∝ exp Σ v_α ℓ_α`` (Heskes 1998; maths.md §2 and §5).

The loss ``L(v) = E[log Z_v − Σ v_α ℓ_α(y)]`` is convex in v for every family, with gradient
``E[E_p̄ ℓ_α − ℓ_α(y)]`` and Hessian ``E Cov_p̄(ℓ_α, ℓ_β)``; the family knows these moments.

With missing outputs a row pools who answered. Its gradient and the positive semi-definite part
of its Hessian are those of a full row whose log-densities are replaced by
``ℓ'_β = ℓ̄ + (s m_β/S)(ℓ_β − ℓ̄)``, with ``ℓ̄`` the row's pool at T = 1, ``s = Σv`` and
``S = Σ v_β m_β``: maths.md §6 in one substitution (``D H̃ Dᵀ`` is a covariance of ``ℓ'``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..families import CATEGORICAL
from ..families.base import Family, LogRows, Sums
from ..kernels import fused
from .base import Rule, answering
from .evidence import Evidence
from .fused import FusedLogBlock

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LogBlock:
    """Rows ready to be evaluated."""

    rows: LogRows
    weight: Array  # (n,)
    attendance: Array | NDArray[np.bool_] | None  # (M, n)
    fallback_loss: Array | None  # (n,), with attendance

    def sums(self, v: Array) -> Sums:
        """Sum loss, gradient, curvature, and what the family's certificate needs."""
        of = _per_row(v, self)
        sums = self.rows.evaluate(of.v, of.weight, of.scale)
        return replace(sums, value=sums.value + of.lost)

    def value(self, v: Array) -> float:
        """Sum the loss alone."""
        of = _per_row(v, self)
        # Not weight @ losses: at v = 0 a density's loss is inf, and 0·inf NaN.
        losses = np.where(of.weight > 0, self.rows.losses(of.v), 0.0)
        return float(of.weight @ losses) + of.lost


class LogRule(Rule[LogBlock | FusedLogBlock]):
    """Weighted mean of log-densities, renormalised."""

    name = "log"
    joint_temperature = True
    vetoes = True

    def pooled(
        self,
        w: Array,
        parameters: Array,
        present: Array | NDArray[np.bool_] | None = None,
        *,
        closure: bool = False,
        family: Family = CATEGORICAL,
    ) -> Array:
        """Pool at T = 1; see :meth:`Rule.pooled`."""
        if present is not None:
            w, _, _ = answering(w, present, parameters.shape[1])
            present = np.asarray(present > 0)
        return family.log_pool(w, parameters, present, closure=closure)

    def pool_logits(
        self,
        w: Array,
        s: float,
        logits: Sequence[NDArray[Any]],
        present: Array | NDArray[np.bool_] | None = None,
        *,
        out: NDArray[Any],
        log: bool = True,
        shares: Sequence[bool] | None = None,
        closure: bool = False,
        threads: int = 1,
    ) -> NDArray[np.uint8]:
        """Pool logits of classes; see :meth:`Rule.pool_logits`."""
        return fused.apply(
            logits, s * w, out=out, log=log, present=present, closure=closure, threads=threads
        )[1]

    def pool_finite(
        self,
        w: Array,
        s: float,
        logits: Sequence[NDArray[Any]],
        *,
        out: NDArray[Any],
        log: bool = False,
        threads: int = 1,
    ) -> bool:
        """Pool finite logits of classes; see :meth:`Rule.pool_finite`."""
        return fused.apply_finite(logits, s * w, out=out, log=log, threads=threads)

    def pool_distributions(
        self,
        w: Array,
        s: float,
        shares: Sequence[NDArray[Any]],
        bounds: fused.Bounds,
        *,
        out: NDArray[Any],
        threads: int = 1,
    ) -> bool:
        """Pool positive probabilities; see :meth:`Rule.pool_distributions`."""
        return fused.apply_distributions(shares, s * w, bounds, out=out, threads=threads)

    def row_losses(self, w: Array, s: float, evidence: Evidence, *, closure: bool) -> Array:
        """Return the tempered pool's losses; see :meth:`Rule.row_losses`."""
        family = evidence.family
        if family is CATEGORICAL and evidence.large and s > 0:
            quick = self.pooled_quickly(w, s, evidence, closure=closure)
            return -family.log_likelihood(quick, evidence.outcomes)
        pooled = self.pooled(
            w, evidence.parameters, evidence.attendance, closure=closure, family=family
        )
        return -family.log_likelihood(family.tempered(pooled, s), evidence.outcomes)

    def blocks(self, evidence: Evidence) -> list[LogBlock | FusedLogBlock]:
        """Prepare all rows: at once where compiled kernels are worth their loading."""
        whole = FusedLogBlock.of(evidence)
        return super().blocks(evidence) if whole is None else [whole]

    def prepare(self, evidence: Evidence) -> LogBlock:
        """Let the family make the rows ready."""
        attendance = evidence.attendance
        return LogBlock(
            evidence.family.log_rows(evidence.parameters, evidence.outcomes, evidence.present),
            evidence.weight,
            attendance,
            None if attendance is None else evidence.fallback_loss(),
        )

    def evaluate(self, v: Array, block: LogBlock | FusedLogBlock) -> Sums:
        """Sum loss, gradient, curvature, and what the family's certificate needs."""
        return block.sums(v)

    def slope(self, v: Array, block: LogBlock | FusedLogBlock) -> Sums:
        """Sum loss, gradient and some of the curvature; see :meth:`Rule.slope`."""
        return block.slope(v) if isinstance(block, FusedLogBlock) else block.sums(v)

    def value(self, v: Array, block: LogBlock | FusedLogBlock) -> float:
        """Sum the loss alone."""
        return block.value(v)

    def excess(
        self, v: Array, mean: Sums, slope: Array, entropy: float, family: Family = CATEGORICAL
    ) -> float:
        """Return the family's Gibbs bound (maths.md §5)."""
        return family.log_excess(v, mean, slope, entropy)

    def ambiguity(self, w: Array, evidence: Evidence) -> tuple[Array, Array]:
        """Return error and ``A = Σ w_α K(p̄, p_α) = −log Z`` (Heskes eq. 3)."""
        chosen = np.flatnonzero(w > 0)
        if len(chosen) < len(w):  # a copy of everything is not worth taking
            evidence, w = evidence.models(chosen), w[chosen]
        weights = np.repeat(w[:, None], evidence.n_rows, axis=1)
        attendance = evidence.attendance
        if attendance is not None:
            weights, _, _ = answering(w, attendance, evidence.n_rows)
        family, at_outcome = evidence.family, evidence.log_likelihood()
        ambiguity = family.log_ambiguity(weights, evidence.parameters, evidence.present)
        return -(weights * at_outcome).sum(axis=0), ambiguity

    def sensitivity(self, v: Array, evidence: Evidence, d: Array) -> Array:
        """Return ``Σ_n u_n ṽ_nα (E_p̄ d_α − d_α(y))``."""
        of = _per_row(v, self.prepare(evidence))
        pooled = evidence.family.log_pool(of.v, evidence.parameters, evidence.present, closure=True)
        moved = np.einsum("mnk,nk->mn", d, np.exp(pooled)) - evidence.outcomes.expectation(d)
        weights = of.v if of.v.ndim == 2 else of.v[:, None]
        return np.asarray((weights * moved) @ of.weight)

    def separable(self, v: Array, mean: Sums, family: Family = CATEGORICAL) -> bool:
        """Whether the pool is right in every row, as the family sees it."""
        return family.separable(v, mean)


class _PerRow(NamedTuple):
    """The weights of a block's rows over the models that answered them."""

    v: Array  # (M,), or (M, n) with missing outputs
    weight: Array  # (n,), 0 where nobody with weight answered
    lost: float = 0.0  # the loss of those rows
    scale: Array | None = None  # (M, n) s m/S, with missing outputs


def _per_row(v: Array, block: LogBlock) -> _PerRow:
    if block.attendance is None:
        return _PerRow(v, block.weight)
    w, share, alive = answering(v, block.attendance, len(block.weight))
    s = v.sum()
    assert block.fallback_loss is not None
    return _PerRow(
        s * w,
        np.where(alive, block.weight, 0.0),
        # Not weight @ where(...): a fallback that rules the outcome out is inf, and 0·inf NaN.
        float(block.weight[~alive] @ block.fallback_loss[~alive]),
        s * share,
    )


RULE = LogRule()
