"""Combining predictions with given weights: no labels, nothing fitted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .distributions import variance_of
from .errors import InputError
from .options import (
    Weights,
    check_kinds,
    checked_temperature,
    named_family,
    named_rule,
    pool_temperature,
)
from .policies import Floor, Policy, check_policies, resolve_floor
from .pooling import Pooled, pool_predictions, warn_of_fallback
from .predictions import Predictions, Reading, gather
from .predictions.columns import Kinds
from .resources import Memory, checked_threads, memory_budget
from .weightings.given import normalised_weights


def combine(
    predictions: object,
    weights: Weights | None = None,
    *,
    rule: str = "log",
    temperature: float = 1.0,
    family: str = "categorical",
    floor: Floor = "auto",
    missing: str = "renormalise",
    fallback: str = "uniform",
    kind: Kinds = "auto",
    classes: Sequence[object] | None = None,
    positive: object = None,
    renormalise: bool = False,
    details: bool = False,
    threads: int | None = None,
    memory: Memory | None = None,
) -> Any:
    """Pool the predictions of several models with given or equal weights; no labels needed.

    Parameters
    ----------
    predictions
        A mapping from model name to array, frame or path; a list of these; an (M, N, K)
        array; or a path. A list of vectors of length K is one row.
    weights
        One number ≥ 0 per model, by name or in order, normalised to sum to one; None is
        uniform.
    rule
        ``"log"``, the weighted mean of log-probabilities through a softmax, or ``"linear"``,
        the weighted mean of probabilities.
    temperature
        T > 0 of the pool; below 1 sharpens.
    family
        ``"categorical"``; ``"gaussian"``, for means and variances in two columns, ``mean`` and
        ``variance`` or ``std``; or ``"variance"``, for residual models of mean zero.
    floor
        What happens to exact zeros: ``"auto"`` (the log rule raises them to 1e-6 and warns),
        ``"veto"`` (0 stays 0), or ε.
    missing
        What an absent output (a row of NaN, an id a model lacks) means: ``"renormalise"`` the
        weights over who answered, or ``"error"``.
    fallback
        What a row gets that nobody answered: ``"uniform"`` (for Gaussians there is none: an
        error) or ``"error"``.
    kind
        ``"logits"``, ``"probabilities"``, ``"log-probabilities"`` or ``"auto"``; by model in a
        mapping. For Gaussians ``"variance"`` or ``"std"``, what an unnamed last column is; a
        named one says so itself.
    classes, positive
        Names of unnamed columns, and which of two classes a single column is.
    renormalise
        Whether rows of probabilities that do not sum to one are rescaled.
    details
        Also return how many rows were touched: ``rows``, ``rows_with_missing``,
        ``rows_fallback``; and for Gaussians which ``variance`` the result has.

    Returns
    -------
    (N, K) probabilities, or (K,) for one row given as vectors
        For Gaussians (N, 2) means and variances: of the pooled Gaussian under the log rule, of
        the mixture under the linear rule, which differ where the models' means do.

    Raises
    ------
    InputError
        Saying what was found, where, and what would be right; its subclasses tell the kinds
        of mistakes apart.

    Examples
    --------
    >>> import opinionpool as op
    >>> op.combine([[2, 1, .5], [1.5, 2.5, 0], [.8, 1.2, 2]], weights=[.4, .35, .25]).round(4)
    array([0.4017, 0.4223, 0.176 ])

    References
    ----------
    Heskes, "Selecting weighting factors in logarithmic opinion pools", NIPS 1997.
    """
    the_family = named_family(family)
    reading = Reading(kind, classes, positive, renormalise, the_family)
    row = positive is None and len(the_family.columns) != 1
    cores = checked_threads(threads)
    gathered = gather(
        predictions,
        reading,
        row=row,
        lazily=True,
        memory=memory_budget(memory),
        threads=cores,
    )
    known = gathered.predictions
    check_kinds(kind, known)
    pooled = combine_aligned(
        known,
        weights,
        rule=rule,
        temperature=temperature,
        floor=floor,
        missing=missing,
        fallback=fallback,
        shown=True,
        threads=cores,
    )
    result = gathered.give_back(pooled.shown(known.dtype), known.columns, known.ids)
    if gathered.one_row:
        result = result[0, ...]
    if not details:
        return result
    variance = variance_of(named_rule(rule), the_family)
    return result, {**pooled.touched, **({"variance": variance} if variance else {})}


def combine_aligned(
    predictions: Predictions,
    weights: Weights | None,
    *,
    rule: str,
    temperature: float,
    floor: Floor,
    missing: str,
    fallback: str,
    shown: bool = False,
    threads: int = 1,
) -> Pooled:
    """Pool aligned predictions; see :func:`combine`."""
    the_rule = named_rule(rule)
    if floor == "learned":
        raise InputError("floor='learned' needs labels: use fit, or another floor")
    family = predictions.family
    fallback = check_policies(missing, fallback, labels=False, family=family)
    s = 1.0 / checked_temperature(temperature)
    pool_temperature(temperature, the_rule, family)
    w = normalised_weights(weights, predictions.names)
    floors = np.full(predictions.n_models, resolve_floor(floor, the_rule, predictions))
    policy = Policy(floors, missing, fallback)
    dtype = predictions.dtype if shown else None
    pooled = pool_predictions(predictions, the_rule, w, s, policy, shown=dtype, threads=threads)
    warn_of_fallback(pooled, policy)
    return pooled
