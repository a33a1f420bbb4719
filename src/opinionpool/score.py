"""Scores of every model, and of a pool, on the same rows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from .diagnostics.decomposition import decomposition
from .diagnostics.scores import scores
from .errors import InputError, warn
from .families.categorical import raise_floors
from .fit import labelled
from .losses import mean_loss
from .options import check_kinds, is_word
from .pool import Pool, load
from .pooling import (
    Floor,
    Policy,
    evidence_of,
    resolve_floor,
    warn_of_fallback,
)
from .predictions import Predictions, Reading, Targets, gather
from .predictions.columns import Kinds
from .rules import LOG, RULES


def score(
    predictions: object,
    y: object = None,
    *,
    pool: Pool | str | os.PathLike[str] | None = None,
    floor: Floor = "veto",
    kind: Kinds = "auto",
    classes: Sequence[object] | None = None,
    positive: object = None,
    renormalise: bool = False,
    sample_weight: object = None,
) -> dict[str, Any]:
    """Score every model, and the pool if one is given, against labels.

    Parameters
    ----------
    predictions, y, sample_weight
        As for :func:`opinionpool.fit`.
    pool
        A fitted pool, or the path of a saved one; inputs are then read, and zeros floored,
        as it was fitted.
    floor
        Without a pool: what happens to exact zeros before scoring; by default they stay, and
        a model that gives 0 to what happened has an infinite NLL.
    kind, classes, positive, renormalise
        As for :func:`opinionpool.fit`; taken from the pool where one is given.

    Returns
    -------
    dict
        ``models``: per name ``nll`` (nats per row), ``brier``, ``accuracy``, ``ece`` (equal-mass
        bins) and ``rows``, the labelled rows it answered. ``pool``: the same on all labelled
        rows, with its ``decomposition``. ``rows``: counts of rows touched.

    Raises
    ------
    InputError
        As for :func:`opinionpool.fit`.

    Examples
    --------
    >>> import opinionpool as op
    >>> a, b = [[.8, .2], [.3, .7]], [[.6, .4], [.1, .9]]
    >>> round(op.score({"a": a, "b": b}, [0, 1])["models"]["a"]["nll"], 4)
    0.2899
    """
    if isinstance(pool, str | os.PathLike):
        pool = load(pool)
    if pool is not None and not isinstance(pool, Pool):
        raise InputError(
            f"pool: found {type(pool).__name__}, expected a Pool or a saved one's path"
        )
    if pool is None and is_word(floor, "learned"):
        raise InputError("floor='learned' belongs to a fitted pool: pass pool=, or another floor")
    reading = Reading(kind, classes, positive, renormalise) if pool is None else pool.reading()
    gathered = gather(predictions, reading, y=y, sample_weight=sample_weight, own_labels=True)
    known, targets = gathered.predictions, labelled(gathered)
    check_kinds(kind, known)
    if pool is None:
        policy = Policy(np.full(known.n_models, resolve_floor(floor, LOG, known)))
    else:
        known, policy = pool.prepared(known), pool.policy
    rows = known.take(targets.rows)
    result: dict[str, Any] = {"models": _model_scores(rows, targets, policy)}
    if pool is None:
        result["rows"] = {
            "rows": rows.n_rows,
            "rows_with_missing": rows.rows_with_missing(),
            "rows_unlabelled": targets.n_unlabelled,
        }
    else:
        pooled = pool.pool_known(rows)
        warn_of_fallback(pooled, policy)
        own = scores(pooled.log_p, targets.outcomes, targets.weight)
        answered = evidence_of(known, targets, policy).answered()
        rule, w = RULES[pool.rule], pool.weights
        split = {}
        if answered.n_rows:
            loss = mean_loss(rule, w, pool.inverse_temperature, answered, closure=policy.closure)
            split = decomposition(rule, w, answered, loss)
        result["pool"] = {**own, "rows": rows.n_rows, "decomposition": split}
        result["rows"] = {**pooled.touched, "rows_unlabelled": targets.n_unlabelled}
    endless = [n for n, own in result["models"].items() if own.get("nll") == np.inf]
    if endless:
        warn(
            f"these models give 0 to what happened in some rows, so their NLL is infinite: "
            f"{', '.join(endless)}; floor=1e-6 makes it finite",
        )
    return result


def _model_scores(rows: Predictions, targets: Targets, policy: Policy) -> dict[str, Any]:
    """Score every model on the rows it answered, floored as the pool's members are."""
    raised = raise_floors(rows.log_p, policy.floors, mix=policy.mixed)
    found: dict[str, Any] = {}
    for i, name in enumerate(rows.names):
        here = np.ones(rows.n_rows, dtype=bool) if rows.present is None else rows.present[i]
        found[name] = {"rows": int(here.sum())}
        if here.any():
            own = scores(raised[i, here], targets.outcomes.take(here), targets.weight[here])
            found[name] = {**own, **found[name]}
    return found
