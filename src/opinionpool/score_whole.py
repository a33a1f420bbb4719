"""Scores of large predictions in memory: one predictor after the other, by compiled kernels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .diagnostics.class_columns import ClassColumns
from .diagnostics.decomposition import decomposition, split
from .families.floors import raise_floors
from .families.lazy import as_array
from .losses import mean_loss
from .memory import require
from .policies import Policy
from .pool import Pool
from .pooling import evidence_of, warn_of_fallback
from .predictions import Predictions, Targets
from .predictions.cells import Cells
from .predictions.precise import Precise
from .rules import LOG, RULES
from .rules.base import answering
from .rules.evidence import Evidence
from .rules.objective import PooledLoss

Array = NDArray[np.float64]


def precise(known: Predictions, threads: int) -> Predictions:
    """Return predictions that were left in place, to be read in float64."""
    if not isinstance(known.parameters, Cells):
        return known
    return replace(known, parameters=as_array(Precise(known.parameters, threads)))


def score_whole(
    known: Predictions,
    targets: Targets,
    policy: Policy,
    pool: Pool | None,
    *,
    ordered: bool,
    threads: int,
) -> dict[str, Any]:
    """Score every model, and a pool; see :func:`opinionpool.score`.

    Bins are of equal mass as they are for small predictions: all probabilities of one predictor
    are in memory at a time, those of the others stay where they are.
    """
    n, k = len(targets.rows), known.n_parameters
    require(3 * 8 * n * k, f"the probabilities of one predictor for {n} rows and {k} classes")
    rows = known if n == known.n_rows else known.take(targets.rows)
    targets = replace(targets, rows=np.arange(n))
    if not isinstance(rows.parameters, Precise):
        # Zeros that were raised where any model has one: every block is that of all models.
        rows = rows.whole()
    result: dict[str, Any] = {"models": {}}
    nll, room = np.zeros((known.n_models, n)), np.empty(n * k)
    for i, name in enumerate(rows.names):
        here = None if rows.present is None or rows.present[i].all() else rows.present[i]
        columns = _of_model(rows, i, here, targets, policy, threads, room)
        result["models"][name] = {"rows": 0}
        if columns is not None:
            nll[i, slice(None) if here is None else here] = columns.nll
            found = columns.found(ordered=ordered)
            result["models"][name] = {**found, "rows": len(columns.weight)}
    if ordered:
        result["classes"] = list(known.classes)
    if pool is None:
        result["rows"] = {"rows": n, "rows_with_missing": rows.rows_with_missing()}
    else:
        pooled = pool.pool_known(rows, threads=threads)
        warn_of_fallback(pooled, policy)
        columns = ClassColumns(targets.outcomes, targets.weight, k, threads, room)
        columns.put(0, pooled.parameters)
        result["pool"] = {**columns.found(ordered=ordered), "rows": n}
        evidence = evidence_of(rows, targets, policy, threads=threads)
        result["pool"]["decomposition"] = _split(pool, policy, evidence, nll, columns.nll)
        result["rows"] = dict(pooled.touched)
    result["rows"]["rows_unlabelled"] = targets.n_unlabelled
    return result


def _of_model(
    rows: Predictions,
    i: int,
    here: NDArray[np.bool_] | None,
    targets: Targets,
    policy: Policy,
    threads: int,
    room: Array,
) -> ClassColumns | None:
    """Return a model's probabilities in the rows it answered, floored as the pool's members are."""
    outcomes, weight = targets.outcomes, targets.weight
    if here is not None:
        outcomes, weight = outcomes.take(here), weight[here]
    if not len(weight):
        return None
    columns = ClassColumns(outcomes, weight, rows.n_parameters, threads, room)
    floors = policy.floors[i : i + 1]
    if not isinstance(rows.parameters, Precise):
        own = raise_floors(rows.parameters[i : i + 1], floors, mix=policy.mixed)[0]
        columns.put(0, own if here is None else own[here])
        return columns
    before = None if here is None else np.cumsum(here) - here

    def put(span: slice, log_p: Array) -> None:
        raised = raise_floors(log_p, floors, mix=policy.mixed)[0]
        if here is None or before is None:
            columns.put_few(span.start, raised)
        elif here[span].any():
            columns.put_few(int(before[span.start]), raised[here[span]])

    rows.parameters.models([i]).for_each(put)
    return columns


def _split(
    pool: Pool, policy: Policy, evidence: Evidence, nll: Array, pooled_nll: Array
) -> dict[str, float]:
    """Return the pool's decomposition, from the losses of rows that are known already.

    ``nll`` are the models', where they answered; ``pooled_nll`` the pool's.
    """
    answered = evidence.answered()
    if not answered.total_weight:
        return {}
    rule, w, s = RULES[pool.rule], pool.weights, pool.inverse_temperature
    counting, alone = np.flatnonzero(w > 0), False
    if evidence.present is not None:
        alive = evidence.present[counting].any(axis=0)
        alone = bool((evidence.present.any(axis=0) & ~alive).any())
    as_scored = policy.betas is None and evidence.confidence is None
    filled = policy.missing == "prior"
    apart = rule is not LOG and policy.vector is not None
    if apart or s == 0 or alone or filled or not as_scored:
        loss = mean_loss(rule, w, s, answered, closure=policy.closure)
        return decomposition(rule, w, answered, loss)
    weight = _answered_weight(evidence)
    total = weight.sum()
    if evidence.present is None:
        average = float(w[counting] @ (nll[counting] @ weight) / total)
    else:
        shares = answering(w, evidence.present, evidence.n_rows)[0]
        heard = np.where(shares > 0, nll, 0.0)  # who plays no part may be as wrong as can be
        average = float((shares * heard).sum(axis=0) @ weight / total)
    if rule is LOG and isinstance(answered.parameters, Precise):
        # A mean over all rows is good to 1e-8 where float32 cells are exponentiated as such.
        answered = replace(answered, parameters=as_array(answered.parameters.cells))
    members = answered.models(counting)
    if policy.vector is None:
        loss = float(np.where(weight > 0, pooled_nll, 0.0) @ weight / total)
    elif policy.closure:
        loss = PooledLoss(rule, answered).loss(w * s)
    else:
        loss = PooledLoss(rule, members).loss(w[counting] * s)
    plainly = s == 1 and policy.vector is None and not policy.closure
    untempered = loss if plainly else PooledLoss(rule, members).loss(w[counting])
    return split(average, untempered, loss)


def _answered_weight(evidence: Evidence) -> Array:
    """Return the rows' weights, 0 where no model answered."""
    if evidence.present is None:
        return evidence.weight
    return np.where(evidence.present.any(axis=0), evidence.weight, 0.0)
