"""The linear opinion pool: ``p̄ = Σ w_α p_α``, the mixture (maths.md §2 and §5).

The loss ``−E log Σ w_α p_α(y)`` is convex and needs only the likelihoods of what happened,
(M, N) numbers; a soft outcome is K hard ones, each with its probability as a row weight.

Each row's largest log-likelihood is taken out before exponentiating. A package that
exponentiates first turns one row at −800 nats into log 0, and its weights into the uniform.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..families import CATEGORICAL
from ..families.base import Family, Sums
from ..families.lazy import Lazy
from ..kernels import fused
from ..kernels import reference as kernels
from .base import Rule, answering
from .evidence import BLOCK_CELLS, Evidence, Outcomes
from .fused import WORTHWHILE, FusedLinearBlock
from .streamed import Streamed

Array = NDArray[np.float64]

#: Below this a mixture of scaled likelihoods (largest 1) has lost digits to underflow.
_TINY = 1e-290
#: Likelihood ratios are cut here for the curvature, so that their squares stay finite.
_LARGEST = 1e140
#: Bytes per row and model of likelihoods that are kept, logarithms and scaled.
_STORED = 16


@dataclass(frozen=True)
class LinearBlock:
    """Likelihoods of what happened: ``exp(log_f − top)``, one column per weighted outcome."""

    log_f: Array  # (M, R)
    f: Array  # (M, R), m times that; 0 where absent
    top: Array  # (R,)
    weight: Array  # (R,)
    attendance: Array | NDArray[np.bool_] | None  # (M, R), m of maths.md §6
    fallback_loss: Array | None  # (R,), with attendance


AnyBlock = LinearBlock | FusedLinearBlock | Streamed


class LinearRule(Rule[AnyBlock]):
    """Weighted mean of probabilities, or of densities."""

    name = "linear"
    joint_temperature = False
    vetoes = False
    mixes = True

    def pooled(
        self,
        w: Array,
        parameters: Array,
        present: Array | NDArray[np.bool_] | None = None,
        *,
        closure: bool = False,
        family: Family = CATEGORICAL,
    ) -> Array:
        """Pool at T = 1; see :meth:`Rule.pooled` (nothing vetoes here).

        A mixture that is no member of its family is given by the member with its moments.
        """
        if present is not None:
            w, _, _ = answering(w, present, parameters.shape[1])
            present = np.asarray(present > 0)
        return family.mixture(w, parameters, present)

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
        """Pool logits of classes; see :meth:`Rule.pool_logits` (nothing vetoes here)."""
        return fused.mix(
            logits, w, s, out=out, log=log, present=present, shares=shares, threads=threads
        )[1]

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
        """Pool probabilities; see :meth:`Rule.pool_distributions`."""
        return fused.mix_distributions(shares, w, s, bounds, out=out, threads=threads)

    def row_losses(self, w: Array, s: float, evidence: Evidence, *, closure: bool) -> Array:
        """Return the tempered pool's losses; see :meth:`Rule.row_losses`."""
        family = evidence.family
        # What the mixture gives to a class that happened, no other class has a say in.
        apart = not family.mixes or (s == 1 and evidence.outcomes.soft is None)
        if not apart and evidence.large and s > 0:
            quick = self.pooled_quickly(w, s, evidence, closure=closure)
            return -family.log_likelihood(quick, evidence.outcomes)
        if not apart:
            pooled = self.pooled(w, evidence.parameters, evidence.attendance, family=family)
            return -family.log_likelihood(family.tempered(pooled, s), evidence.outcomes)
        weights = np.broadcast_to(w[:, None], (len(w), evidence.n_rows))
        attendance = evidence.attendance
        if attendance is not None:
            weights, _, _ = answering(w, attendance, evidence.n_rows)
        return -kernels.log_mixture(weights, evidence.log_likelihood())

    def blocks(self, evidence: Evidence) -> list[AnyBlock]:
        """Prepare all rows: at once where compiled kernels are worth their loading."""
        # A cell of evidence costs this rule next to nothing, only outcomes do: (M, N) of them.
        soft, missing = evidence.outcomes.soft is not None, evidence.attendance is not None
        lazy = evidence.parameters if isinstance(evidence.parameters, Lazy) else None
        stored = (2 if missing else 1) * _STORED
        if lazy is not None and (soft or not lazy.affords(stored * evidence.n_models)):
            return [Streamed(self, evidence)]
        # What is read in place is looked up by compiled kernels: they are loaded.
        cells = evidence.n_models * evidence.n_rows
        large = lazy is not None or evidence.large or cells >= WORTHWHILE
        if large and not (soft or missing) and fused.compiled():
            counts = evidence.weight > 0
            log_f, weight = evidence.log_likelihood(), evidence.weight
            if not counts.all():
                log_f, weight = log_f[:, counts], weight[counts]
            return [FusedLinearBlock.of(log_f, weight, evidence.threads)]
        return super().blocks(evidence) if lazy is None else self._looked_up(evidence)

    def _looked_up(self, evidence: Evidence) -> list[AnyBlock]:
        """Look up once what happened in all rows that count: that is all there is to them."""
        log_f, counts = evidence.log_likelihood(), np.flatnonzero(evidence.weight > 0)
        size = max(1, BLOCK_CELLS // evidence.n_models)
        spans = [counts[first : first + size] for first in range(0, max(1, len(counts)), size)]
        return [_scaled(evidence.without_parameters(rows), log_f[:, rows]) for rows in spans]

    def prepare(self, evidence: Evidence) -> LinearBlock:
        """Gather the likelihoods of what happened and scale them row by row."""
        if evidence.outcomes.soft is None:
            return _scaled(evidence, evidence.log_likelihood())
        # A soft outcome is as many hard ones, each of a row of its own.
        q = evidence.outcomes.soft
        # (Of weight 0 it may be as unlikely as it likes: 0·∞ is no loss.)
        row, k = np.nonzero((q > 0) & (evidence.weight > 0)[:, None])
        return _scaled(
            replace(
                evidence.without_parameters(row),
                weight=evidence.weight[row] * q[row, k],
                outcomes=Outcomes(classes=k),
            ),
            evidence.parameters[:, row, k],
        )

    def evaluate(self, v: Array, block: AnyBlock) -> Sums:
        """Sum loss, gradient ``−r``, curvature ``r rᵀ`` and r over a block."""
        if isinstance(block, FusedLinearBlock | Streamed):
            return block.sums(v)
        mixture, log_mixture, share, u, lost = self._mixture(v, block)
        r = _ratios(block, log_mixture, mixture)
        if share is not None:
            assert block.attendance is not None
            r = 1 + np.where(block.attendance > 0, share * (r - 1), 0.0)
        pull = np.einsum("mn,n->m", r, u)
        bounded = np.minimum(r, _LARGEST)
        return Sums(
            lost - float(np.einsum("n,n->", u, log_mixture)),
            -pull,
            kernels.gram(bounded * u, bounded),
            pull,
        )

    def ratios(self, v: Array, block: LinearBlock, chosen: NDArray[np.int64]) -> Array:
        """Return ``r_α = p_α(y)/p̄(y)`` of all models, (M, R), for the pool of some of them."""
        some = replace(block, log_f=block.log_f[chosen], f=block.f[chosen])
        mixture, log_mixture, *_ = self._mixture(v, some)
        return _ratios(block, log_mixture, mixture)

    def value(self, v: Array, block: AnyBlock) -> float:
        """Sum the loss alone."""
        if isinstance(block, FusedLinearBlock | Streamed):
            return block.value(v)
        _, log_mixture, _, u, lost = self._mixture(v, block)
        return lost - float(np.einsum("n,n->", u, log_mixture))

    def excess(
        self, v: Array, mean: Sums, slope: Array, entropy: float, family: Family = CATEGORICAL
    ) -> float:
        """Return ``ln max_α E r_α`` (Jensen), valid where there is no penalty."""
        return np.inf if slope.any() else float(np.log(mean.reach.max()))

    def ambiguity(self, w: Array, evidence: Evidence) -> tuple[Array, Array]:
        """Return error and ``A = K(w‖ρ) = Σ w_α log(p̄(y)/p_α(y))``, ``ρ_α = w_α p_α(y)/p̄(y)``."""
        chosen = np.flatnonzero(w > 0)
        evidence, w = evidence.models(chosen), w[chosen]
        weights = np.repeat(w[:, None], evidence.n_rows, axis=1)
        attendance = evidence.attendance
        if attendance is not None:
            weights, _, _ = answering(w, attendance, evidence.n_rows)
        at_outcome = evidence.log_likelihood()
        error = -(weights * at_outcome).sum(axis=0)
        pooled = -self.row_losses(w, 1.0, evidence, closure=False)
        # Where every member gives 0 there is an infinite error, but nobody disagrees.
        apart = (weights > 0) & (pooled > -np.inf)
        log_ratio = np.where(
            apart, np.where(apart, pooled, 0.0) - np.where(apart, at_outcome, 0), 0
        )
        return error, (weights * log_ratio).sum(axis=0)

    def sensitivity(self, v: Array, evidence: Evidence, d: Array) -> Array:
        """Return ``−Σ_n u_n E_q[ρ_α d_α]``, ``ρ_α = w̃_α p_α/p̄``."""
        weights = np.broadcast_to(v[:, None], (len(v), evidence.n_rows))
        alive = np.ones(evidence.n_rows, dtype=bool)
        log_p = evidence.parameters
        attendance = evidence.attendance
        if attendance is not None:
            weights, _, alive = answering(v, attendance, evidence.n_rows)
            log_p = np.where((attendance > 0)[:, :, None], log_p, 0.0)
        log_mixture = kernels.log_mixture(weights[:, :, None], log_p)
        log_mixture = np.where(alive[:, None], log_mixture, 0.0)
        rho = weights[:, :, None] * np.exp(log_p - log_mixture)
        return -np.asarray(evidence.outcomes.expectation(rho * d) @ evidence.weight)

    def _mixture(
        self, v: Array, block: LinearBlock
    ) -> tuple[Array, Array, Array | None, Array, float]:
        """Return Σ w f, log p̄(y), m/S, the row weights, and the loss of rows nobody answers."""
        u, lost, share = block.weight, 0.0, None
        mixture = np.einsum("m,mn->n", v, block.f)
        if block.attendance is not None:
            _, share, alive = answering(v, block.attendance, len(u))
            assert block.fallback_loss is not None
            lost = float(u[~alive] @ block.fallback_loss[~alive])
            u = np.where(alive, u, 0.0)
            mixture = np.where(alive, mixture, 1.0)
        with np.errstate(divide="ignore"):
            log_mixture = np.log(mixture) + block.top
        faint = mixture < _TINY
        if faint.any():
            w = v if block.attendance is None else v[:, None] * block.attendance[:, faint]
            log_mixture[faint] = kernels.log_mixture(w, block.log_f[:, faint])
        if block.attendance is not None:
            log_mixture = np.where(
                alive, log_mixture - np.log(np.where(alive, v @ block.attendance, 1.0)), 0.0
            )
        return mixture, log_mixture, share, u, lost


def _scaled(evidence: Evidence, log_f: Array) -> LinearBlock:
    """Scale the likelihoods of what happened, (M, n), row by row; no parameters are looked at."""
    attendance, fallback = evidence.attendance, None
    if attendance is not None:
        log_f = np.where(attendance > 0, log_f, -np.inf)
    top = log_f.max(axis=0)
    f = np.exp(log_f - np.where(np.isfinite(top), top, 0.0))
    if attendance is not None:
        f, fallback = f * attendance, evidence.fallback_loss()
    return LinearBlock(log_f, f, top, evidence.weight, attendance, fallback)


def _ratios(block: LinearBlock, log_mixture: Array, mixture: Array) -> Array:
    """Return likelihood ratios to the pool, (M, R); inf where only the pool rules out.

    A model without weight may be hopelessly likelier than the pool: its pull is inf, which the
    certificate must see, but its curvature may not overflow.
    """
    if block.attendance is None and (mixture >= _TINY).all():
        return np.asarray(block.f / mixture)
    ruled_out = np.isneginf(log_mixture)
    log_r = np.where(ruled_out, block.log_f, block.log_f - np.where(ruled_out, 0, log_mixture))
    with np.errstate(over="ignore"):
        return np.exp(np.where(ruled_out & (block.log_f > -np.inf), np.inf, log_r))


RULE = LinearRule()
