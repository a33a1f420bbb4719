"""Whose disagreement a pool gains from: shares of the ambiguity by model and by pair (maths.md §4).

Log rule: ``A = Σ w_α K(p̄, p_α) = ¼ Σ_αβ w_αw_β J_αβ + ½ Σ_α w_α [K(p̄, p_α) − K(p_α, p̄)]``
(Heskes 1998, eq. 4). Eq. 5 of that paper drops the second term. The linear rule's ambiguity
``K(w‖ρ)`` has shares by model, but none by pair.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..families import CATEGORICAL
from ..rules import LOG
from ..rules.base import AnyRule, answering
from ..rules.evidence import Evidence

Array = NDArray[np.float64]


def row_weights(w: Array, evidence: Evidence) -> Array:
    """Return ``w̃_nα``, (M, N): the weights of each row over who answered it."""
    if evidence.attendance is None:
        return np.repeat(w[:, None], evidence.n_rows, axis=1)
    return answering(w, evidence.attendance, evidence.n_rows)[0]


def model_shares(rule: AnyRule, w: Array, evidence: Evidence) -> tuple[Array, Array]:
    """Return each model's part of the average error and of the ambiguity, (M,) each, T = 1.

    ``E[w̃_α NLL_α]``, which sum to the average error; and ``E[w̃_α K(p̄, p_α)]``, for the
    linear rule ``E[w̃_α log(p̄(y)/p_α(y))]``, which sum to the ambiguity. Every row must have a
    model with weight.
    """
    return shares(rule, w, evidence)[:2]


def shares(rule: AnyRule, w: Array, evidence: Evidence) -> tuple[Array, Array, float]:
    """Return :func:`model_shares`, and of a log pool the :func:`asymmetry`, else 0."""
    u = evidence.weight / evidence.total_weight
    error, spread, odd = np.zeros(len(w)), np.zeros(len(w)), 0.0
    chosen = np.flatnonzero(w > 0)
    for rows in _blocks(evidence):
        block, here = evidence.take(rows), u[rows]
        block = block if len(chosen) == len(w) else block.models(chosen)  # a copy
        weights, nll = row_weights(w[chosen], block), -block.log_likelihood()
        error[chosen] += np.where(weights > 0, weights * nll, 0.0) @ here
        if rule is LOG:
            pooled = _pooled(rule, w[chosen], block)
            there, back = block.family.divergences(pooled, block.parameters)
            with np.errstate(invalid="ignore"):  # both may be infinite
                odds = 0.5 * np.where(weights > 0, weights * (there - back), 0.0)
            odd += sum(float(here @ own) for own in odds)
        else:
            there = nll - rule.row_losses(w[chosen], 1.0, block, closure=False)
        spread[chosen] += np.where(weights > 0, weights * there, 0.0) @ here
    return error, spread, odd


def _pooled(rule: AnyRule, w: Array, block: Evidence) -> Array:
    """Return the pool at T = 1, (n, P)."""
    family = block.family
    if family is CATEGORICAL and block.large:
        return rule.pooled_quickly(w, 1.0, block, closure=False)
    return rule.pooled(w, block.parameters, block.attendance, family=family)


def pair_shares(w: Array, evidence: Evidence, apart: Array | None = None) -> Array:
    """Return ``¼ E[w̃_α w̃_β J_αβ]``, (M, M): summed over all cells, eq. 5's ambiguity.

    ``apart`` are the mean divergences J of all models (M, M), if somebody knows them: then
    nothing else has to be where everybody answered and counts alike.
    """
    if evidence.attendance is None and apart is not None:
        return np.asarray(0.25 * np.where(np.outer(w, w) > 0, np.outer(w, w) * apart, 0.0))
    chosen = np.flatnonzero(w > 0)
    share = np.zeros((len(w), len(w)))
    some = evidence.models(chosen)
    if evidence.attendance is None:
        ww = w[chosen, None] * w[chosen]
        found = 0.25 * ww * some.family.mean_divergences(some.parameters, some.weight)
    elif evidence.confidence is None or evidence.gamma == 0:
        # Σ u w̃_α w̃_β J_αβ = w_α w_β Σ (u/S²) m_α m_β J_αβ: the even case with other row weights.
        assert some.present is not None
        here, mass = some.present.astype(np.float64), w[chosen] @ some.present
        u = np.where(mass > 0, some.weight / np.where(mass > 0, mass, 1.0) ** 2, 0.0)
        J = some.family.mean_divergences(some.parameters, u, some.present)
        both = (here * u) @ here.T / evidence.total_weight
        found = 0.25 * (w[chosen, None] * w[chosen]) * np.where(both > 0, both * J, 0.0)
    else:
        found = _uneven(w[chosen], some)
    share[np.ix_(chosen, chosen)] = found
    return share


def asymmetry(w: Array, rule: AnyRule, evidence: Evidence) -> float:
    """Return ``½ E Σ w̃_α [K(p̄, p_α) − K(p_α, p̄)]``: what eq. 5 leaves out of the ambiguity."""
    return shares(rule, w, evidence)[2]


def pair_figures(rule: AnyRule, pairs: Array, odd: float, ambiguity: float) -> dict[str, Any]:
    """Return the split of a log pool's ambiguity by pairs; a reason where there is none.

    ``pairs`` are :func:`pair_shares`, ``odd`` is the :func:`asymmetry`.
    """
    if rule is not LOG:
        return {"reason": "only a log pool's ambiguity is a sum over pairs (Heskes, eq. 4)"}
    if not (np.isfinite(pairs).all() and np.isfinite(odd)):
        return {"reason": "models that give 0 to what others think possible are infinitely apart"}
    return {
        "reason": None,
        "pairs": pairs,
        "approximation": float(pairs.sum()),
        "missed": ambiguity - float(pairs.sum()),
        "asymmetry": odd,
    }


def _uneven(w: Array, evidence: Evidence) -> Array:
    """Sum pair by pair, where rows have weights of their own."""
    u, family = evidence.weight / evidence.total_weight, evidence.family
    found = np.zeros((len(w), len(w)))
    for rows in _blocks(evidence):
        block = evidence.take(rows)
        weights, p = row_weights(w, block), block.parameters
        for a in range(len(w)):
            for b in range(a):
                share = 0.25 * u[rows] * weights[a] * weights[b]
                apart = family.divergence(p[a], p[b]) + family.divergence(p[b], p[a])
                found[a, b] += np.where(share > 0, share * apart, 0.0).sum()
    return np.asarray(found + found.T)


def _blocks(evidence: Evidence) -> list[slice]:
    size = max(1, (1 << 20) // max(1, evidence.n_models * evidence.n_parameters))
    return [slice(first, first + size) for first in range(0, evidence.n_rows, size)]
