"""Scores in one pass over rows that are not in memory all at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from .diagnostics.class_scores import ClassScores
from .diagnostics.decomposition import error_sums, split
from .families.floors import raise_floors
from .families.lazy import Lazy
from .losses import row_losses
from .policies import Policy
from .pool import Pool
from .pooling import Pooled, evidence_of, warn_of_fallback
from .predictions import Predictions, Targets
from .rules import RULES
from .rules.fused import worthwhile

Array = NDArray[np.float64]


def score_parts(
    known: Predictions, targets: Targets, policy: Policy, pool: Pool | None, *, ordered: bool
) -> dict[str, Any]:
    """Score every model, and a pool, part by part; see :func:`opinionpool.score`."""
    size = known.n_parameters
    # However small the parts: all of them are pooled and counted.
    large = worthwhile(known.n_models * len(targets.rows) * size)
    models = [ClassScores(size, ordered=ordered, large=large) for _ in known.names]
    pooled, touched = ClassScores(size, ordered=ordered, large=large), Counter[str]()
    errors, missing = np.zeros(4), 0
    for first, rows, happened in _parts(replace(known, large=large), targets):
        raised = raise_floors(rows.parameters, policy.floors, mix=policy.mixed)
        for i, (own, scores) in enumerate(zip(raised, models, strict=True)):
            here = slice(None) if rows.present is None else rows.present[i]
            scores.add(own[here], happened.outcomes.take(here), happened.weight[here])
        missing += rows.rows_with_missing()
        if pool is not None:
            found = pool.pool_known(rows, first_row=first)
            touched.update(found.touched)
            pooled.add(found.parameters, happened.outcomes, happened.weight)
            errors += _errors(rows, happened, policy, pool)
    result: dict[str, Any] = {
        "models": {
            name: {**(scores.found() if scores.rows else {}), "rows": scores.rows}
            for name, scores in zip(known.names, models, strict=True)
        }
    }
    if ordered:
        result["classes"] = list(known.classes)
    if pool is None:
        n = len(targets.rows)
        result["rows"] = {"rows": n, "rows_with_missing": missing}
    else:
        warn_of_fallback(Pooled(np.empty((0, 0)), dict(touched)), policy)
        total, average, untempered, loss = errors.tolist()
        parts = split(average / total, untempered / total, loss / total) if total else {}
        result["pool"] = {**pooled.found(), "rows": len(targets.rows), "decomposition": parts}
        result["rows"] = dict(touched)
    result["rows"]["rows_unlabelled"] = targets.n_unlabelled
    return result


def _parts(known: Predictions, targets: Targets) -> Iterator[tuple[int, Predictions, Targets]]:
    """Yield labelled rows with their parameters in memory: the first one's number, they, labels."""
    every = len(targets.rows) == known.n_rows
    rows = known if every else known.take(targets.rows)
    for here, parameters in cast(Lazy, rows.parameters).parts():
        present = None if rows.present is None else rows.present[:, here]
        if present is not None and present.all():
            present = None
        some = replace(rows, parameters=parameters, present=present, ids=None)
        own = targets.take(np.arange(len(targets.rows))[here])
        yield here.start, some, replace(own, rows=np.arange(len(own.rows)))


def _errors(rows: Predictions, happened: Targets, policy: Policy, pool: Pool) -> Array:
    """Sum weight, the models' mean error, and the pool's at T = 1 and tempered, where answered."""
    evidence = evidence_of(rows, happened, policy).answered()
    if not evidence.n_rows:
        return np.zeros(4)
    rule, w, u = RULES[pool.rule], pool.weights, evidence.weight
    losses = row_losses(rule, w, pool.inverse_temperature, evidence, closure=policy.closure)
    loss = u @ np.where(u > 0, losses, 0.0)  # not 0·inf
    return np.array([u.sum(), *error_sums(rule, w, evidence), loss])
