"""Scores of every model, and of a pool, on the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .diagnostics.decomposition import decomposition
from .diagnostics.scores import scores
from .errors import warn
from .fit import labelled
from .losses import mean_loss
from .options import check_kinds
from .pool import Pool
from .pooling import Floor, evidence_of, raise_floors, resolve_floor, warn_of_fallback
from .predictions import Reading, gather
from .predictions.columns import Kinds
from .rules import LOG, RULES


def score(
    predictions: object,
    y: object = None,
    *,
    pool: Pool | None = None,
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
        A fitted pool; inputs are then read, and zeros floored, as it was fitted.
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
    reading = Reading(kind, classes, positive, renormalise) if pool is None else pool.reading()
    gathered = gather(predictions, reading, y=y, sample_weight=sample_weight, own_labels=True)
    known, targets = gathered.predictions, labelled(gathered)
    check_kinds(kind, known)
    if pool is not None:
        known = pool.known(known)
        floors = pool.resolved_floors(known)
    else:
        floors = np.full(known.n_models, resolve_floor(floor, LOG, known))
    mixed = pool is not None and pool.settings.floor == "learned"
    rows = known.take(targets.rows)
    raised = raise_floors(rows.log_p, floors, mixed=mixed)
    result: dict[str, Any] = {"models": {}}
    for i, name in enumerate(known.names):
        here = np.ones(rows.n_rows, dtype=bool) if rows.present is None else rows.present[i]
        if not here.any():
            result["models"][name] = {"rows": 0}
            continue
        log_p = raised[i, here]
        own = scores(log_p, targets.outcomes.take(here), targets.weight[here])
        result["models"][name] = {**own, "rows": int(here.sum())}
    if pool is not None:
        pooled = pool.pool(rows)
        warn_of_fallback(pooled, pool.policy(floors))
        own = scores(pooled.log_p, targets.outcomes, targets.weight)
        answered = evidence_of(known, targets, pool.policy(floors)).answered()
        rule, w = RULES[pool.rule], pool.weights
        loss = mean_loss(rule, w, pool.inverse_temperature, answered, closure=pool.settings.closure)
        split = decomposition(rule, w, answered, loss)
        result["pool"] = {**own, "rows": rows.n_rows, "decomposition": split}
        result["rows"] = {**pooled.touched, "rows_unlabelled": targets.n_unlabelled}
    else:
        result["rows"] = {
            "rows": rows.n_rows,
            "rows_with_missing": rows.rows_with_missing(),
            "rows_unlabelled": targets.n_unlabelled,
        }
    endless = [n for n, own in result["models"].items() if own.get("nll") == np.inf]
    if endless:
        warn(
            f"these models give 0 to what happened in some rows, so their NLL is infinite: "
            f"{', '.join(endless)}; floor=1e-6 makes it finite",
        )
    return result
