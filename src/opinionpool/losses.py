"""Losses of pools and of single models on evidence, in nats."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from .diagnostics.decomposition import split
from .families.lazy import Lazy, logits_in
from .rules.base import AnyRule, answering
from .rules.evidence import Evidence
from .rules.objective import PooledLoss
from .weightings.base import Choice, Task

Array = NDArray[np.float64]

#: Share of rows up to which those that lack an output are looked up one by one, rather than all.
FEW = 0.1
#: Bytes of what is kept for a row and model meanwhile: log-likelihoods, shares and products.
_KEPT = 32
#: Cells of a pool that are in memory at a time.
_POOLED = 1 << 22


def mean_loss(rule: AnyRule, w: Array, s: float, evidence: Evidence, *, closure: bool) -> float:
    """Return the mean loss of a pool on evidence; unanswered rows cost their fallback."""
    losses = row_losses(rule, w, s, evidence, closure=closure)
    counts = evidence.weight > 0  # not 0·inf
    return float(evidence.weight[counts] @ losses[counts] / evidence.total_weight)


def row_losses(rule: AnyRule, w: Array, s: float, evidence: Evidence, *, closure: bool) -> Array:
    """Return a pool's loss in each row, (N,); unanswered rows cost their fallback."""
    lazy = isinstance(evidence.parameters, Lazy)
    if lazy and s == 1 and rule.mixes and evidence.outcomes.soft is None:
        result = rule.row_losses(w, s, evidence, closure=closure)  # looks up what happened
    elif lazy and s > 0:
        result = _of_logits(rule, w, s, evidence, closure=closure)
    else:
        # Compiled kernels have blocks of their own.
        blocks = evidence.parts() if evidence.large else evidence.blocks()
        result = np.concatenate([rule.row_losses(w, s, block, closure=closure) for block in blocks])
    if evidence.present is not None:
        unanswered = ~evidence.present[w > 0].any(axis=0)
        if unanswered.any():
            result = np.where(unanswered, evidence.fallback_loss(), result)
    return result


def _of_logits(rule: AnyRule, w: Array, s: float, evidence: Evidence, *, closure: bool) -> Array:
    """Return a pool's loss in each row of classes, pooled some rows at a time by the kernels."""
    attendance, family = evidence.attendance, evidence.family
    losses = np.empty(evidence.n_rows)
    for part, arrays in logits_in(evidence.parameters, evidence.threads):
        n, k = part.stop - part.start, arrays[0].shape[1]
        step = max(1, _POOLED // k)
        for first in range(0, n, step):
            own = [x[first : first + step] for x in arrays]
            rows = slice(part.start + first, part.start + first + len(own[0]))
            out = np.empty(own[0].shape, np.result_type(*own))
            here = None if attendance is None else attendance[:, rows]
            rule.pool_logits(*(w, s, own, here), out=out, closure=closure, threads=evidence.threads)
            losses[rows] = -family.log_likelihood(out, evidence.outcomes.take(rows))
    return losses


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
    """Return a pool's mean loss on lazily read evidence, and its split on the rows answered.

    Reads the rows only for what is not known yet: what ``choice`` knows of the pool, ``losses`` of
    the models.
    """
    rule, v, s = task.rule, choice.weights, choice.inverse_temperature
    loss, untempered = choice.loss, choice.untempered
    assert s is not None
    heard = _Heard.of(v, task.evidence)
    average = heard.mean(_members_error(v, heard.evidence, losses))
    evidence, problem = heard.evidence, None
    if not closure:  # models without weight do not veto
        chosen = np.flatnonzero(v > 0)
        evidence, v = evidence.models(chosen), v[chosen]

    def mean(s: float) -> float:
        nonlocal problem
        if not evidence.weight.any():
            return heard.mean(0.0)
        if choice.tempered is not None and s == choice.inverse_temperature:
            return heard.mean(choice.tempered * evidence.total_weight)
        # A mixture is tempered row by row; and where outputs are missing v = 0 is no pool.
        nothing = s == 0 and evidence.attendance is not None
        if nothing or (s != 1 and not rule.joint_temperature):
            found = mean_loss(rule, v, s, evidence, closure=closure)
            return heard.mean(found * evidence.total_weight)
        problem = problem or PooledLoss(rule, evidence)
        return heard.mean(problem.loss(v * s) * problem.n)

    if rule.joint_temperature:
        loss = mean(s) if loss is None else loss
        if np.isnan(untempered):
            untempered = loss if s == 1 else mean(1.0)
    else:  # its weights are chosen at T = 1, and that is the loss that may be known
        untempered = mean(1.0) if loss is None else loss
        loss = untempered if s == 1 else mean(s)
    return heard.of_all(loss), split(average, untempered, loss)


@dataclass(frozen=True)
class _Heard:
    """Rows that a model with weight answered, and what the others cost.

    Attributes
    ----------
    evidence
        Of all rows: those that no model with weight answered have weight 0.
    total, answered
        The weight of all rows, and of those that any model answered.
    aside, lost
        The fallback's loss, summed over rows that only models without weight answered, and over
        those that nobody did.
    """

    evidence: Evidence
    total: float
    answered: float
    aside: float = 0.0
    lost: float = 0.0

    @classmethod
    def of(cls, w: Array, evidence: Evidence) -> _Heard:
        """Tell the rows apart."""
        present, u, total = evidence.present, evidence.weight, evidence.total_weight
        if present is None:
            return cls(evidence, total, total)
        here: NDArray[np.bool_] = np.asarray(present[w > 0].any(axis=0))
        others = ~here & (u > 0)
        if not others.any():
            return cls(evidence, total, total)
        answered: NDArray[np.bool_] = np.asarray(present.any(axis=0))
        cost = u * np.where(others, evidence.fallback_loss(), 0.0)
        return cls(
            replace(evidence, weight=np.where(here, u, 0.0)),
            total,
            float(u[answered].sum()),
            float(cost[answered].sum()),
            float(cost[~answered].sum()),
        )

    def mean(self, summed: float) -> float:
        """Return the mean loss of the rows answered, from its sum over those heard."""
        return (summed + self.aside) / self.answered

    def of_all(self, mean: float) -> float:
        """Return the mean loss of all rows, from that of the rows answered."""
        if self.answered == self.total:
            return mean
        return (mean * self.answered + self.lost) / self.total


def _members_error(w: Array, evidence: Evidence, losses: Array) -> float:
    """Return ``Σ_n u_n Σ_α w̃_nα NLL_nα``: models share the weight of those that are missing.

    ``losses`` are the models' means over the rows that they answered: of rows that all of them
    did, nothing else has to be known.
    """
    some, u = np.flatnonzero(w > 0), evidence.weight
    w, losses, here = w[some], losses[some], evidence.models(some)
    attendance = here.attendance
    if attendance is None:
        return float(w @ losses) * evidence.total_weight
    rest = np.flatnonzero(~(attendance == 1).all(axis=0) & (u > 0))
    known, counted = 0.0, np.zeros_like(w)
    if len(rest) <= FEW * evidence.n_rows and np.isfinite(losses).all():
        present = np.ones(attendance.shape, bool) if here.present is None else here.present
        known, counted = float((w * losses) @ (present @ u)), w
        if not len(rest):
            return known
        here = here.take(rest)
        here = replace(here, parameters=cast(Lazy, here.parameters).held(here.threads))
    for part in [here] if _affordable(here) else here.parts():
        own = part.attendance
        assert own is not None
        shares = answering(w, own, part.n_rows)[0] - counted[:, None] * (own > 0)
        nll = np.where((shares != 0) & (part.weight > 0), -part.log_likelihood(), 0.0)
        known += float((shares * nll).sum(axis=0) @ part.weight)
    return known


def _affordable(evidence: Evidence) -> bool:
    """Whether some numbers for each row and model may be kept in memory."""
    lazy = evidence.parameters
    return not isinstance(lazy, Lazy) or lazy.affords(_KEPT * evidence.n_models)
