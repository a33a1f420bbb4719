"""Scores of every model, and of a pool, on the same rows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .diagnostics.calibration import brier_split
from .diagnostics.decomposition import decomposition
from .diagnostics.density_scores import density_scores
from .diagnostics.scores import ranked_probability_score, scores
from .errors import InputError, warn
from .families.floors import raise_floors
from .families.lazy import Lazy
from .families.mixture import Mixture
from .fit import labelled
from .losses import mean_loss
from .options import check_kinds, is_word, named_family
from .policies import Floor, Policy, resolve_floor
from .pool import Pool, load
from .pooling import evidence_of, warn_of_fallback
from .predictions import Predictions, Reading, Targets, gather
from .predictions.columns import Kinds
from .resources import Memory, checked_threads, memory_budget
from .rules import LOG, RULES
from .rules.evidence import Outcomes
from .score_parts import score_parts
from .score_whole import precise, score_whole

Array = NDArray[np.float64]


def score(
    predictions: object,
    y: object = None,
    *,
    pool: Pool | str | os.PathLike[str] | None = None,
    family: str = "categorical",
    floor: Floor = "veto",
    kind: Kinds = "auto",
    classes: Sequence[object] | None = None,
    positive: object = None,
    renormalise: bool = False,
    sample_weight: object = None,
    ordered: bool = False,
    threads: int | None = None,
    memory: Memory | None = None,
) -> dict[str, Any]:
    """Score every model, and the pool if one is given, against labels.

    Parameters
    ----------
    predictions, y, sample_weight
        As for :func:`opinionpool.fit`.
    pool
        A fitted pool, or the path of a saved one; inputs are then read, and zeros floored,
        as it was fitted.
    family
        As for :func:`opinionpool.fit`; taken from the pool where one is given.
    floor
        Without a pool: what happens to exact zeros before scoring; by default they stay, and
        a model that gives 0 to what happened has an infinite NLL.
    kind, classes, positive, renormalise
        As for :func:`opinionpool.fit`; taken from the pool where one is given.
    ordered
        Whether the classes have an order, the one they are in: that of the columns, of
        ``classes``, or of the pool. Adds ``rps`` to every score, and ``classes`` to the result.
    threads, memory
        As for :func:`opinionpool.fit`. Rows that do not fit into ``memory`` are scored in one
        pass; ``ece`` and ``brier_split`` are then in bins of nearly equal mass, whose edges are
        1/512 of the distance to 0 or 1 wide (wider with thousands of classes).

    Returns
    -------
    dict
        ``models``: per name ``nll`` (nats per row), ``brier`` (0 to 2), ``accuracy``, ``ece``
        (15 equal-mass bins), ``brier_split`` and ``rows``, the labelled rows it answered; with
        ``ordered`` also ``rps``, the ranked probability score (0 to K − 1). ``pool``: the same
        on all labelled rows, with its ``decomposition``. ``rows``: counts of rows touched.

        ``brier_split`` says where the Brier score comes from: ``brier = reliability −
        resolution + uncertainty + within_bin_variance − within_bin_covariance``, every class
        against the rest in 15 equal-mass bins, summed over all K classes (Stephenson, Coelho &
        Jolliffe 2008). For two classes that is twice the Brier score of one class, 0 to 1.

        For Gaussians a score has ``nll``, ``crps``, ``rmse``, ``bias``, ``coverage_50`` and
        ``coverage_90``, the shares of labels inside the central intervals.

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
    pool = given_pool(pool)
    if pool is None and is_word(floor, "learned"):
        raise InputError("floor='learned' belongs to a fitted pool: pass pool=, or another floor")
    cores = checked_threads(threads)
    reading = Reading(kind, classes, positive, renormalise, named_family(family))
    if pool is not None:
        reading = pool.reading()
    gathered = gather(
        predictions,
        reading,
        y=y,
        sample_weight=sample_weight,
        own_labels=True,
        lazily=True,
        memory=memory_budget(memory),
        threads=cores,
    )
    known, targets = gathered.predictions, labelled(gathered)
    check_kinds(kind, known.names)
    if memory is None:
        known = precise(known if pool is None else pool.known(known), cores)
    if pool is None:
        policy = Policy(np.full(known.n_models, resolve_floor(floor, LOG, known)))
    else:
        known, policy = pool.prepared(known), pool.policy
    if ordered and known.family.columns:
        raise InputError(f"ordered: {known.family.name} predictions have no classes")
    if isinstance(known.parameters, Lazy):
        if memory is None:
            found = score_whole(known, targets, policy, pool, ordered=ordered, threads=cores)
        else:
            found = score_parts(known, targets, policy, pool, ordered=ordered)
        _warn_of_infinity(found)
        return found
    rows = known.take(targets.rows)
    result: dict[str, Any] = {"models": _model_scores(rows, targets, policy, ordered)}
    if ordered:
        result["classes"] = list(known.classes)
    if pool is None:
        result["rows"] = {
            "rows": rows.n_rows,
            "rows_with_missing": rows.rows_with_missing(),
            "rows_unlabelled": targets.n_unlabelled,
        }
    else:
        pooled = pool.pool_known(rows)
        warn_of_fallback(pooled, policy)
        if pooled.distribution is None:
            own = _figures(pooled.parameters, targets.outcomes, targets.weight, ordered)
        else:
            own = _density_figures(pooled.distribution, targets.outcomes, targets.weight)
        answered = evidence_of(known, targets, policy).answered()
        rule, w = RULES[pool.rule], pool.weights
        split = {}
        if answered.n_rows:
            loss = mean_loss(rule, w, pool.inverse_temperature, answered, closure=policy.closure)
            split = decomposition(rule, w, answered, loss)
        result["pool"] = {**own, "rows": rows.n_rows, "decomposition": split}
        result["rows"] = {**pooled.touched, "rows_unlabelled": targets.n_unlabelled}
    _warn_of_infinity(result)
    return result


def _warn_of_infinity(result: dict[str, Any]) -> None:
    endless = [n for n, own in result["models"].items() if own.get("nll") == np.inf]
    if endless:
        warn(
            f"these models give 0 to what happened in some rows, so their NLL is infinite: "
            f"{', '.join(endless)}; floor=1e-6 makes it finite",
        )


def given_pool(pool: object) -> Pool | None:
    """Return a pool that is given as itself or as the path of a saved one."""
    if isinstance(pool, str | os.PathLike):
        pool = load(pool)
    if pool is not None and not isinstance(pool, Pool):
        raise InputError(
            f"pool: found {type(pool).__name__}, expected a Pool or a saved one's path"
        )
    return pool


def _model_scores(
    rows: Predictions, targets: Targets, policy: Policy, ordered: bool
) -> dict[str, Any]:
    """Score every model on the rows it answered, floored as the pool's members are."""
    raised = raise_floors(rows.parameters, policy.floors, mix=policy.mixed)
    found: dict[str, Any] = {}
    for i, name in enumerate(rows.names):
        here = np.ones(rows.n_rows, dtype=bool) if rows.present is None else rows.present[i]
        found[name] = {"rows": int(here.sum())}
        if here.any():
            happened, weight = targets.outcomes.take(here), targets.weight[here]
            if rows.family.columns:
                mean, variance = np.moveaxis(raised[i : i + 1, here], -1, 0)
                alone = Mixture(np.ones_like(mean), mean, variance)
                own = _density_figures(alone, happened, weight)
            else:
                own = _figures(raised[i, here], happened, weight, ordered)
            found[name] = {**own, **found[name]}
    return found


def _density_figures(predicted: Mixture, outcomes: Outcomes, weight: Array) -> dict[str, Any]:
    assert outcomes.values is not None
    return dict(density_scores(predicted, outcomes.values, weight))


def _figures(log_p: Array, outcomes: Outcomes, weight: Array, ordered: bool) -> dict[str, Any]:
    found: dict[str, Any] = dict(scores(log_p, outcomes, weight))
    if ordered:
        found["rps"] = ranked_probability_score(log_p, outcomes, weight)
    return {**found, "brier_split": brier_split(log_p, outcomes, weight)}
