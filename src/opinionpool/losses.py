"""Losses of pools and of single models on evidence, in nats."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .diagnostics.decomposition import split
from .rules.base import AnyRule
from .rules.evidence import Evidence
from .rules.objective import PooledLoss
from .weightings.base import Choice, Task

Array = NDArray[np.float64]


def mean_loss(rule: AnyRule, w: Array, s: float, evidence: Evidence, *, closure: bool) -> float:
    """Return the mean loss of a pool on evidence; unanswered rows cost their fallback."""
    return float(
        evidence.weight @ row_losses(rule, w, s, evidence, closure=closure) / evidence.total_weight
    )


def row_losses(rule: AnyRule, w: Array, s: float, evidence: Evidence, *, closure: bool) -> Array:
    """Return a pool's loss in each row, (N,); unanswered rows cost their fallback."""
    result = np.concatenate(
        [rule.row_losses(w, s, block, closure=closure) for block in evidence.blocks()]
    )
    if evidence.present is not None:
        unanswered = ~evidence.present[w > 0].any(axis=0)
        if unanswered.any():
            result = np.where(unanswered, evidence.fallback_loss(), result)
    return result


def model_losses(evidence: Evidence) -> Array:
    """Return each model's mean loss on the rows it answered, NaN where it answered none."""
    u = np.broadcast_to(evidence.weight, (evidence.n_models, evidence.n_rows))
    if evidence.present is not None:
        u = np.where(evidence.present, u, 0.0)
    nll = np.where(u > 0, -evidence.log_likelihood(), 0.0)
    total, lost = u.sum(axis=1), (u * nll).sum(axis=1)
    result: Array = np.where(total > 0, lost / np.where(total > 0, total, 1), np.nan)
    return result


def of_all_rows(
    task: Task, choice: Choice, losses: Array, *, closure: bool
) -> tuple[float, dict[str, float]]:
    """Return a pool's mean loss on rows that every model answered, and its split.

    Reads the rows only for what is not known yet: what ``choice`` knows of the pool, ``losses`` of
    the models.
    """
    rule, evidence = task.rule, task.evidence
    w, s, loss, untempered = (
        choice.weights,
        choice.inverse_temperature,
        choice.loss,
        choice.untempered,
    )
    assert s is not None
    if not closure:  # models without weight do not veto
        chosen = np.flatnonzero(w > 0)
        evidence, w, losses = evidence.models(chosen), w[chosen], losses[chosen]
    if rule.joint_temperature:
        problem = PooledLoss(rule, evidence)
        loss = problem.loss(w * s) if loss is None else loss
        if np.isnan(untempered):
            untempered = loss if s == 1 else problem.loss(w)
    else:  # its weights are chosen at T = 1, and that is the loss that may be known
        untempered = PooledLoss(rule, evidence).loss(w) if loss is None else loss
        loss = untempered
        if s != 1:
            loss = choice.tempered
        if loss is None:
            loss = mean_loss(rule, w, s, evidence, closure=closure)
    some = w > 0
    return loss, split(float(w[some] @ losses[some]), untempered, loss)
