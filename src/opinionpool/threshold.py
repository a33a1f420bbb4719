"""The threshold that turns probabilities of two classes into decisions, and how far to trust it."""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .binary import Binary, as_one_model, binary, positive_class
from .compare import paired_difference
from .diagnostics.decisions import METRICS, Aim, cost_aim, counts_of, metric_aim
from .diagnostics.optimism import bootstrapped, out_of_fold, quantiles
from .errors import InputError
from .folds import splits_of
from .options import check_kinds, checked_seed
from .pool import Pool
from .predictions import Reading, gather
from .predictions.classes import Label
from .predictions.columns import Kinds
from .score import given_pool

Array = NDArray[np.float64]

DRAWS = 200
#: Share of the bootstraps between the two ends that are reported.
LEVEL = 0.9
#: What goes through its logarithm and back may come out a little less than it was.
_ROUNDING = 1 - 8 * float(np.finfo(np.float64).eps)


def threshold(
    predictions: object,
    y: object = None,
    *,
    pool: Pool | str | os.PathLike[str] | None = None,
    metric: str | None = None,
    cost: Mapping[str, float] | None = None,
    positive: object = None,
    folds: int = 5,
    groups: object = None,
    time: object = None,
    draws: int = DRAWS,
    kind: Kinds = "auto",
    classes: Sequence[object] | None = None,
    renormalise: bool = False,
    sample_weight: object = None,
    seed: int | None = None,
) -> dict[str, Any]:
    """Find the threshold t such that deciding for the positive class when P ≥ t does best.

    Exact: all cuts between distinct probabilities are tried. Among equally good ones it is the
    middle of the longest range of thresholds (of equally long ranges, the lowest).

    Parameters
    ----------
    predictions, y, sample_weight
        As for :func:`opinionpool.fit`, for two classes: all the models of the pool; or without
        a pool one model, or an array (N,) or (N, 2) of pooled probabilities.
    pool
        A fitted pool, or the path of a saved one, whose probabilities are to be cut; it says
        how inputs are read. Best on rows that it was not fitted on.
    metric
        What is made large: ``"accuracy"``, ``"balanced-accuracy"``, ``"f1"``, ``"kappa"``,
        ``"mcc"`` or ``"youden"``; None is ``"f1"``, unless there is a ``cost``.
    cost
        What is made small instead: ``{"fp": 1, "fn": 5}``, the costs of deciding positive
        wrongly and negative wrongly, both above 0.
    positive
        The class to decide for; None is the one the pool was given as ``positive``, or the
        second. Single columns are its probability, as for :func:`opinionpool.fit`.
    folds, groups, time
        How thresholds are tested on rows that they were not chosen on, as for
        :func:`opinionpool.compare`; ``folds=0`` for no such test.
    draws
        How many bootstraps of the rows (or of the groups, or moments) show how far the
        threshold moves; 0 for none.
    kind, classes, renormalise
        As for :func:`opinionpool.fit`; taken from the pool where one is given.
    seed
        Of the folds and the bootstraps; None is 0.

    Returns
    -------
    dict
        ``threshold`` (inf: never decide positive), ``positive``, ``negative``, ``metric`` and
        its ``value`` on these rows (for ``"cost"``: the mean cost of a row), ``interval``
        (``low < t ≤ high`` do as well), ``counts`` (``tp``, ``fp``, ``fn``, ``tn``, in row
        weights). ``reference``: the ``threshold`` one would take without choosing, 0.5, or for
        costs ``fp/(fp + fn)``, which is best where probabilities are calibrated; and its
        ``value``. ``cross_validated``: the ``value`` where each row is decided by a threshold
        chosen on the other folds, the ``optimism`` (how much better ``value`` looks), the
        ``reference`` threshold's value on the same rows, the folds' ``thresholds``; for costs
        the ``difference`` of the two and its ``standard_error``; None where ``notes`` says why.
        ``bootstrap``: ``low`` and ``high`` around 90 % of the ``draws``. ``rows``: counts.

    Raises
    ------
    InputError
        As for :func:`opinionpool.fit`; for several models without a pool, more than two
        classes, metrics or costs that cannot be; LabelError for labels of one class.

    Examples
    --------
    >>> import opinionpool as op
    >>> p, y = [.1, .2, .35, .4, .6, .7, .8, .9], [0, 0, 1, 0, 1, 1, 0, 1]
    >>> found = op.threshold(p, y, metric="f1", folds=4)
    >>> round(found["threshold"], 3), round(found["value"], 3), found["counts"]["fn"]
    (0.275, 0.8, 0.0)

    References
    ----------
    Elkan, "The foundations of cost-sensitive learning", IJCAI 2001. Forman & Scholz,
    "Apples-to-apples in cross-validation studies", SIGKDD Explorations 12 (2010): counts are
    added up over the folds before a metric is taken of them.
    """
    aim = _aim(metric, cost)
    seed = checked_seed(seed)
    n_folds, n_draws = _count(folds, "folds"), _count(draws, "draws")
    if not n_folds and (groups is not None or time is not None):
        raise InputError("groups and time belong to the folds, and there are none")
    the_pool = given_pool(pool)
    reading = (
        Reading(kind, classes, positive, renormalise) if the_pool is None else the_pool.reading()
    )
    if the_pool is None:
        predictions = as_one_model(predictions)
    else:  # before its inputs are read
        positive_class(the_pool.classes, positive, reading)
    gathered = gather(predictions, reading, y=y, sample_weight=sample_weight, own_labels=True)
    check_kinds(kind, gathered.predictions.names)
    second = positive_class(gathered.predictions.classes, positive, reading)
    known = binary(gathered, the_pool, second)
    result = _chosen(aim, known, gathered.predictions.classes, second)
    if cost is not None:
        result["cost"] = {name: float(cost[name]) for name in ("fp", "fn")}
    notes: list[str] = []
    cluster = np.arange(len(known.p))
    if n_folds:
        splits, cluster, how = splits_of(gathered, known.targets, n_folds, groups, time, seed)
        tested = _tested(aim, known, splits, cluster, result)
        if isinstance(tested, int):
            notes.append(f"not cross-validated: fold {tested} is trained on labels of one class")
        result["cross_validated"] = None if isinstance(tested, int) else {"how": how, **tested}
    if n_draws:
        found = bootstrapped(aim, known.cuts, known.plus, known.minus, cluster, n_draws, seed)
        if len(found):
            low, high = quantiles(found, LEVEL)
            ends = {"low": low, "high": high, "level": LEVEL, "draws": len(found)}
            result["bootstrap"] = ends
        if len(found) < n_draws:
            notes.append(f"{n_draws - len(found)} of {n_draws} bootstraps had labels of one class")
    return {**result, "rows": known.rows, "notes": notes}


def _chosen(aim: Aim, known: Binary, classes: tuple[Label, ...], second: int) -> dict[str, Any]:
    """Return the threshold and what it does on the rows that it was chosen on."""
    best = known.cuts.best(aim, known.plus, known.minus)
    counts = counts_of(known.p >= best.threshold, known.plus, known.minus)
    untouched = counts_of(_by_reference(aim, known), known.plus, known.minus)
    return {
        "threshold": best.threshold,
        "positive": classes[second],
        "negative": classes[1 - second],
        "metric": aim.name,
        "value": best.value,
        "interval": [best.low, best.high],
        "counts": counts.as_dict(),
        "reference": {"threshold": aim.reference, "value": float(aim.value(untouched))},
        "cross_validated": None,
        "bootstrap": None,
    }


def _tested(
    aim: Aim,
    known: Binary,
    splits: list[tuple[NDArray[np.int64], NDArray[np.int64]]],
    cluster: NDArray[np.int64],
    result: Mapping[str, Any],
) -> dict[str, Any] | int:
    """Return the value of thresholds chosen elsewhere, or the fold that has none."""
    found = out_of_fold(aim, known.p, known.plus, known.minus, splits)
    if isinstance(found, int):
        return found
    here = found.tested
    plus, minus, weight = (u[here] for u in (known.plus, known.minus, known.targets.weight))
    chosen, untouched = found.decided[here], _by_reference(aim, known)[here]
    value = float(aim.value(counts_of(chosen, plus, minus)))
    better = 1 if aim.larger_is_better else -1
    tested = {
        "value": value,
        "optimism": better * (result["value"] - value),
        "reference": float(aim.value(counts_of(untouched, plus, minus))),
        "thresholds": found.thresholds,
    }
    if not aim.larger_is_better:  # a mean over rows
        a, b = (aim.of_rows(decided, known.q[here]) for decided in (chosen, untouched))
        tested["difference"], tested["standard_error"] = paired_difference(
            a, b, weight, cluster[here]
        )
    return tested


def _by_reference(aim: Aim, known: Binary) -> NDArray[np.bool_]:
    """Decide by the reference; a probability that is equal to it is decided positive."""
    decided: NDArray[np.bool_] = known.p >= aim.reference * _ROUNDING
    return decided


def _aim(metric: object, cost: object) -> Aim:
    if metric is not None and cost is not None:
        raise InputError("metric and cost: give one of them, not both")
    if cost is None:
        name = "f1" if metric is None else metric
        if not isinstance(name, str) or name not in METRICS:
            raise InputError(f"metric: found {name!r}, expected one of {', '.join(METRICS)}")
        return metric_aim(name)
    if not isinstance(cost, Mapping) or set(cost) != {"fp", "fn"}:
        raise InputError(f"cost: found {cost!r}, expected two numbers, fp and fn")
    for name in ("fp", "fn"):
        value = cost[name]
        if isinstance(value, bool) or not isinstance(value, int | float | np.number):
            raise InputError(f"cost: found {name}={value!r}, expected a number above 0")
        if not (value > 0 and math.isfinite(value)):
            raise InputError(f"cost: found {name}={value}, expected a finite number above 0")
    return cost_aim(float(cost["fp"]), float(cost["fn"]))


def _count(number: object, what: str) -> int:
    try:
        if isinstance(number, bool):
            raise TypeError
        count = operator.index(number)  # type: ignore[arg-type]
    except TypeError:
        count = -1
    if count < 0:
        raise InputError(f"{what}: found {number!r}, expected a whole number, or 0 for none")
    return count
