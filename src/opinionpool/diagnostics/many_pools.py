"""Many pools of the same models at once: losses and slopes of each, a block of rows at a time.

A log pool's logits are linear in the weights, and so are a linear pool's probabilities: those of C
pools are one product of a (C, M) and an (M, nK) matrix. Classes come before rows, so that sums over
them run along memory.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..kernels import fused
from ..kernels import reference as kernels
from ..rules import LOG
from ..rules.base import AnyRule
from ..rules.evidence import Evidence, Outcomes
from ..rules.fused import worth_kernels

Array = NDArray[np.float64]
Present = NDArray[np.bool_]

#: Cells of the largest temporary of a block.
_CELLS = 1 << 17
#: Below this a mixture of scaled probabilities (largest 1) has lost digits to underflow.
_TINY = 1e-290
#: Logarithm below which a probability is not to be mixed as itself.
_SMALL = -600.0


@dataclass(frozen=True)
class Candidates:
    """Weights of several pools of classes.

    Attributes
    ----------
    w
        (C, M) each summing to one.
    s
        (C,) inverse temperatures.
    counting
        (C, M) whose zeros veto in a log pool.
    members
        (C, M) of which models they are.
    fixed
        Whether derivatives in the temperature are not needed.
    """

    w: Array
    s: Array
    counting: NDArray[np.bool_]
    members: NDArray[np.bool_]
    fixed: bool = True

    @property
    def untempered(self) -> bool:
        """Whether all are at T = 1, and nobody asks for another temperature."""
        return self.fixed and bool((self.s == 1).all())

    def parts(self, evidence: Evidence) -> list[slice]:
        """Cut rows so that temporaries stay in cache."""
        size = max(len(self.w), evidence.n_models) * evidence.n_parameters
        step = max(16, _CELLS // size)
        return [slice(first, first + step) for first in range(0, evidence.n_rows, step)]


@dataclass(frozen=True)
class Losses:
    """Losses of C pools.

    Attributes
    ----------
    rows
        (C, n); rows that nobody with weight answered cost their fallback.
    bends
        (2, C) first and second derivative of their weighted sum in the inverse temperature β,
        times β and β²: the weighted sums of ``E_p̄ z − z(y)`` and ``Var_p̄ z``, z = β log p̄.
    """

    rows: Array
    bends: Array


def losses(rule: AnyRule, pools: Candidates, evidence: Evidence) -> Losses:
    """Evaluate tempered pools of classes by the log or the linear rule."""
    # (Of a linear pool at T = 1 only what happened matters.)
    plain = rule is not LOG and pools.untempered and evidence.outcomes.soft is None
    if pools.fixed and not plain and _quick(pools, evidence):
        return Losses(_quick_losses(rule, pools, evidence), np.zeros((2, len(pools.w))))
    rows, bends = [], np.zeros((2, len(pools.w)))
    for part in pools.parts(evidence):
        block = evidence.take(part)
        if rule is LOG:
            own = _LogRows(pools, block)
            found = own.losses(), np.zeros_like(bends) if pools.fixed else own.bends()
        else:
            found = _linear(pools, block)
        rows.append(found[0])
        bends += found[1]
    return Losses(np.concatenate(rows, axis=1), bends)


def bends(rule: AnyRule, pools: Candidates, evidence: Evidence) -> Array:
    """Return the derivatives in the temperatures alone, see :class:`Losses`: (2, C)."""
    if _quick(pools, evidence):
        p = _mixed(rule, evidence)
        each = zip(pools.w, pools.s, strict=True)
        found = [_quick_bends(rule, w, s, evidence, p) for w, s in each]
        if all(own is not None for own in found):
            return np.array(found).T
    return losses(rule, pools, evidence).bends


def log_slopes(pools: Candidates, evidence: Evidence) -> Array:
    """Return the gradients of log pools' summed losses in ``v = s w``, (C, M): of their members."""
    if _quick(pools, evidence):
        return _quick_slopes(pools, evidence)
    total = np.zeros_like(pools.w)
    for rows in pools.parts(evidence):
        total += _LogRows(pools, evidence.take(rows)).slopes()
    return total


def _quick(pools: Candidates, evidence: Evidence) -> bool:
    """Whether compiled kernels are to pool, one pool after the other.

    Not where there are zeros: which of them veto differs from pool to pool, and a model whose
    zeros do not has a slope all the same.
    """
    large = evidence.large and worth_kernels(evidence) and bool((pools.s > 0).all())
    return large and not any(np.isneginf(own).any() for own in evidence.parameters)


def _mixed(rule: AnyRule, evidence: Evidence) -> Array | None:
    """Return the probabilities that a rule mixes, (M, n, K), made once for all pools.

    None where it mixes none, and where some are so small that their logarithms are better.
    """
    if not rule.mixes or np.fmin.reduce(evidence.parameters, axis=None) < _SMALL:
        return None
    return np.exp(evidence.parameters)


def _quick_losses(rule: AnyRule, pools: Candidates, evidence: Evidence) -> Array:
    found, present = np.empty((len(pools.w), evidence.n_rows)), evidence.present
    p = _mixed(rule, evidence)
    for own, w, s in zip(found, pools.w, pools.s, strict=True):
        log_p = rule.pooled_quickly(w, float(s), evidence, closure=False, p=p)
        own[:] = -evidence.outcomes.expectation(log_p)
    if present is None:
        return found
    answered = np.stack([present[w > 0].any(axis=0) for w in pools.w])
    return np.where(answered, found, evidence.fallback_loss())


def _quick_bends(
    rule: AnyRule, w: Array, s: float, evidence: Evidence, p: Array | None
) -> Array | None:
    """Return a pool's two :func:`bends`; None where a cell of it is 0.

    A tempered pool is the log pool of one model, the pool at T = 1, and of the weight 1/T.
    """
    u, outcomes = evidence.weight, evidence.outcomes
    pooled = rule.pooled_quickly(w, 1.0, evidence, closure=False, p=p)
    if evidence.present is not None:
        unanswered = ~evidence.present[w > 0].any(axis=0)
        pooled[unanswered], u = 0.0, np.where(unanswered, 0.0, u)
    if not np.isfinite(pooled).all():
        return None
    v = np.array([s])
    sums = fused.log_sums([pooled], v, outcomes.classes, u, soft=outcomes.soft)
    assert sums.gradient is not None
    assert sums.curvature is not None
    return np.array([s * sums.gradient[0], s**2 * sums.curvature[0, 0]])


def _quick_slopes(pools: Candidates, evidence: Evidence) -> Array:
    found, outcomes = np.zeros_like(pools.w), evidence.outcomes
    for c, models in enumerate(pools.members):
        some = np.flatnonzero(models)
        sums = fused.log_sums(
            [evidence.parameters[i] for i in some],
            pools.s[c] * pools.w[c, some],
            outcomes.classes,
            evidence.weight,
            soft=outcomes.soft,
            present=None if evidence.present is None else evidence.present[some],
            order=1,
        )
        assert sums.gradient is not None
        found[c, some] = sums.gradient
    return found


class _LogRows:
    """A few rows, (M, K, n): finite log-probabilities, presence and vetoes apart."""

    def __init__(self, pools: Candidates, evidence: Evidence) -> None:
        self.pools, self.evidence = pools, evidence
        log_p = np.array(evidence.parameters.swapaxes(1, 2), order="C")
        if evidence.present is not None:
            log_p[~np.broadcast_to(evidence.present[:, None], log_p.shape)] = 0.0
        zero = np.isneginf(log_p)
        self.vetoed: Present | None = None
        if zero.any():
            log_p[zero] = 0.0
            m, k, n = log_p.shape
            blamed = pools.counting.astype(np.float64) @ zero.reshape(m, -1)
            self.vetoed = (blamed > 0).reshape(-1, k, n)
        self.log_p = log_p
        self.mass: Array | None = None  # (C, n) Σ w m
        if evidence.present is not None:
            self.mass = pools.w @ evidence.present
        z = self._times(pools.w * pools.s[:, None])
        if self.mass is not None:
            z /= self._full[:, None]
        if self.vetoed is not None:
            z[self.vetoed] = -np.inf
        top = z.max(axis=1, keepdims=True)
        self.z = z - np.where(np.isfinite(top), top, 0.0)
        self.p = np.exp(self.z)
        self.total = self.p.sum(axis=1)

    @property
    def _full(self) -> Array:
        assert self.mass is not None
        return np.where(self.mass > 0, self.mass, 1.0)

    def _times(self, v: Array) -> Array:
        m, k, n = self.log_p.shape
        return (v @ self.log_p.reshape(m, k * n)).reshape(-1, k, n)

    def _at(self, values: Array) -> Array:
        return _at_outcome(values, self.evidence.outcomes)

    def losses(self) -> Array:
        with np.errstate(divide="ignore", invalid="ignore"):  # nothing is left
            losses = np.log(self.total) - self._at(self.z)
        losses = np.where(np.isnan(losses), np.inf, losses)
        if self.mass is not None:
            losses = np.where(self.mass > 0, losses, self.evidence.fallback_loss())
        return losses

    def bends(self) -> Array:
        u = self.evidence.weight
        if self.mass is not None:
            u = np.where(self.mass > 0, u, 0.0)
        return _bends(self.z, self.p, self.total, u, self.evidence.outcomes)

    def slopes(self) -> Array:
        u, s = self.evidence.weight, self.pools.s
        p = self.p / np.where(self.total > 0, self.total, 1.0)[:, None]
        m, k, n = self.log_p.shape
        at_y = self._at(self.log_p)  # (M, n)
        if self.mass is None:
            expected = (p * u).reshape(-1, k * n) @ self.log_p.reshape(m, k * n).T
            return np.asarray(expected - at_y @ u)
        # With w̃ = w m/S: Σ u [e (1 − m/S) + (m/S)(E_p̄ ℓ − ℓ(y))], e = E_p̄ ℓ̄ − ℓ̄(y), ℓ̄ the
        # pool at T = 1 (rules/log.py).
        alive = self.mass > 0
        scaled = np.where(alive, u / self._full, 0.0)
        z = np.where(np.isneginf(self.z), 0.0, self.z)
        e = ((p * z).sum(axis=1) - self._at(z)) / np.where(s > 0, s, 1.0)[:, None]
        assert self.evidence.present is not None
        own = (p * scaled[:, None]).reshape(-1, k * n) @ self.log_p.reshape(m, k * n).T
        own -= scaled @ at_y.T + (scaled * e) @ self.evidence.present.T
        return np.asarray(own + (np.where(alive, u, 0.0) * e).sum(axis=1)[:, None])


def _linear(pools: Candidates, evidence: Evidence) -> tuple[Array, Array]:
    log_p = np.array(evidence.parameters.swapaxes(1, 2), order="C")
    present, u = evidence.present, evidence.weight
    if present is not None:
        log_p[~np.broadcast_to(present[:, None], log_p.shape)] = -np.inf
    if pools.untempered and evidence.outcomes.soft is None:
        # Then only what happened matters.
        log_p = _at_outcome(log_p, evidence.outcomes)[:, None]
    m, k, n = log_p.shape
    top = log_p.max(axis=0)
    shift = np.where(np.isfinite(top), top, 0.0)
    mixture = (pools.w @ np.exp(log_p - shift).reshape(m, k * n)).reshape(-1, k, n)
    with np.errstate(divide="ignore"):
        log_mixture = np.log(mixture) + shift
    for c, cells in enumerate((mixture < _TINY) & np.isfinite(top)):
        if cells.any():  # models without weight are all that thought it likely
            log_mixture[c][cells] = kernels.log_mixture(pools.w[c], log_p[:, cells])
    mass = None
    if present is not None:
        mass = pools.w @ present
        log_mixture -= np.log(np.where(mass > 0, mass, 1.0))[:, None]
        u = np.where(mass > 0, u, 0.0)
    if k < evidence.n_parameters:
        rows, bends = -log_mixture[:, 0], np.zeros((2, len(pools.w)))
    else:
        z = np.where(np.isneginf(log_mixture), -np.inf, pools.s[:, None, None] * log_mixture)
        highest = z.max(axis=1, keepdims=True)
        z -= np.where(np.isfinite(highest), highest, 0.0)
        p = np.exp(z)
        total = p.sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):  # nothing is left
            rows = np.log(total) - _at_outcome(z, evidence.outcomes)
        rows = np.where(np.isnan(rows), np.inf, rows)
        bends = _bends(z, p, total, u, evidence.outcomes)
    if mass is not None:
        rows = np.where(mass > 0, rows, evidence.fallback_loss())
    return np.asarray(rows), bends


def _bends(z: Array, p: Array, total: Array, u: Array, outcomes: Outcomes) -> Array:
    """Return the sums of ``E_p̄ z − z(y)`` and ``Var_p̄ z``, (2, C); p adds up to ``total``."""
    finite = np.where(np.isneginf(z), 0.0, z)
    full = np.where(total > 0, total, 1.0)
    mean = (p * finite).sum(axis=1) / full
    finite -= mean[:, None]
    variance = (p * finite**2).sum(axis=1) / full
    return np.stack([-(u * _at_outcome(finite, outcomes)).sum(axis=1), (u * variance).sum(axis=1)])


def _at_outcome(values: Array, outcomes: Outcomes) -> Array:
    """Return ``Σ_k q_nk values[:, k, n]`` with ``0·(−inf) = 0``: (C, n)."""
    if outcomes.classes is not None:
        return np.asarray(values[:, outcomes.classes, np.arange(values.shape[2])])
    assert outcomes.soft is not None
    q = outcomes.soft.T
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(q > 0, q * values, 0.0).sum(axis=1))
