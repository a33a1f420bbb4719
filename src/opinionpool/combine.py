"""Combining predictions with given weights: no labels, nothing fitted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .destination import checked_out
from .distributions import variance_of
from .errors import InputError
from .families import Family
from .kernels.warm import warming
from .one_pass import pooled_at_once
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
from .predictions import Predictions, Reading
from .predictions.columns import Kinds
from .predictions.gather import Opened, opened, predictions_of
from .predictions.inputs import stays_in_files
from .resources import Memory, checked_threads, memory_budget
from .rules.base import AnyRule
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
    out: NDArray[Any] | None = None,
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
    out
        Array of float32 or float64, of the result's shape, to write it to; it is then returned
        whatever the inputs are. After an error it may hold anything.
    threads
        How many threads compiled kernels may use; None for as many as there are cores.
    memory
        Bytes that predictions may take, a number or a text such as ``"1GB"``; files are then
        read block by block.

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
    budget = memory_budget(memory)
    with warming(stays_in_files(predictions, budget)):
        given = opened(predictions, reading, row=row, memory=budget)
    check_kinds(kind, given.names)
    shape = given.n_rows, len(given.columns)
    out = checked_out(out, shape[given.one_row :], given.values())
    target = out[None] if out is not None and given.one_row else out
    recipe = _recipe(given.names, the_family, weights, rule, temperature, missing, fallback)
    pooled = _at_once(given, recipe, floor, out=target, threads=cores)
    if pooled is None:
        known, _ = predictions_of(given, lazily=True, memory=budget, threads=cores)
        pooled = _pooled(known, recipe, floor, shown=True, out=target, threads=cores)
    result = pooled.delivered(given, target)
    if given.one_row:
        result = result[0, ...] if out is None else out
    warn_of_fallback(pooled, recipe.policy)
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
    given = predictions.family, weights, rule, temperature, missing, fallback
    recipe = _recipe(predictions.names, *given)
    pooled = _pooled(predictions, recipe, floor, shown=shown, threads=threads)
    warn_of_fallback(pooled, recipe.policy)
    return pooled


class _Recipe(NamedTuple):
    """How to pool, but for the floors, which may depend on what is pooled."""

    rule: AnyRule
    weights: Mapping[str, float]
    inverse_temperature: float
    policy: Policy


def _recipe(
    names: tuple[str, ...],
    family: Family,
    weights: Weights | None,
    rule: str,
    temperature: float,
    missing: str,
    fallback: str,
) -> _Recipe:
    the_rule = named_rule(rule)
    fallback = check_policies(missing, fallback, labels=False, family=family)
    s = 1.0 / checked_temperature(temperature)
    pool_temperature(temperature, the_rule, family)
    w = normalised_weights(weights, names)
    policy = Policy(np.zeros(len(names)), missing, fallback)
    return _Recipe(the_rule, dict(zip(names, w.tolist(), strict=True)), s, policy)


def _at_once(
    given: Opened, recipe: _Recipe, floor: Floor, *, out: NDArray[Any] | None, threads: int
) -> Pooled | None:
    """Pool in the pass that checks; None where that will not do, or cells might be floored."""
    if not (isinstance(floor, str) and floor in ("auto", "veto")):
        return None
    return pooled_at_once(given, *recipe, out=out, threads=threads)


def _pooled(
    predictions: Predictions,
    recipe: _Recipe,
    floor: Floor,
    *,
    shown: bool,
    out: NDArray[Any] | None = None,
    threads: int,
) -> Pooled:
    if floor == "learned":
        raise InputError("floor='learned' needs labels: use fit, or another floor")
    rule, weights, s, policy = recipe
    floors = np.full(len(weights), resolve_floor(floor, rule, predictions))
    return pool_predictions(
        predictions,
        rule,
        np.array(list(weights.values())),
        s,
        replace(policy, floors=floors),
        shown=predictions.dtype if shown else None,
        out=out,
        threads=threads,
    )
