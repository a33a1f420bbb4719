"""Why a pool is what it is: everything that is worth knowing about it, in one plain dict."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from .errors import InputError, warn
from .explaining.absences import missing, zeros
from .explaining.calibrated import calibration
from .explaining.case import Case
from .explaining.certainty import certainty
from .explaining.contributions import additions, contributions, pareto
from .explaining.headline import headline
from .explaining.plainly import plainly
from .explaining.refits import Refits
from .explaining.rows_shown import rows_shown
from .explaining.split import disagreement, split
from .fit import labelled
from .folds import Split, splits_of
from .options import Temperature, checked_seed, checked_temperature, is_word
from .pool import Pool
from .pooling import warn_of_fallback
from .predictions import gather
from .predictions.confidence import Scores
from .provenance import fingerprint
from .score import given_pool

FORMAT, VERSION = "opinionpool.explanation", 1
DRAWS = 200
#: Fits of a cross-validation times cells up to which it is done without being asked for.
_FOLD_CELLS = 1e8


def explain(
    pool: Pool | str | os.PathLike[str],
    predictions: object,
    y: object = None,
    *,
    sample_weight: object = None,
    confidence: Scores | None = None,
    costs: Mapping[str, float] | None = None,
    ordered: bool = False,
    temperature: Temperature | None = None,
    folds: int | None = None,
    groups: object = None,
    time: object = None,
    draws: int = DRAWS,
    level: float = 0.95,
    seed: int | None = None,
) -> dict[str, Any]:
    """Explain a pool on labelled rows: where its gain comes from, and how sure that is.

    Best on the rows that it was fitted on, or on others like them: the refits (a model left
    out, added, bootstraps) are on these rows.

    Parameters
    ----------
    pool
        A fitted pool, or the path of a saved one.
    predictions, y, sample_weight
        As for :func:`opinionpool.fit`: all models of the pool.
    confidence
        Scores of these rows, where the pool was fitted with some that were no column.
    costs
        What each model costs, by name, for the Pareto front; None counts models.
    ordered
        Whether the classes have an order, the one they are in: adds RPS and PIT.
    temperature
        For refits: ``"fit"``, or the temperature that the pool was given, which it does not
        remember; None takes 1 as given and anything else as fitted.
    folds, groups, time
        Leaving models out is tested on folds as for :func:`opinionpool.compare`, where errors
        are by group or by moment too. ``folds=0`` for no such test, None for five where that
        is quick.
    draws
        How many bootstraps of the rows (or groups, or moments) show how far weights move.
    level
        Of all intervals, between 0 and 1.
    seed
        As it was for :func:`opinionpool.fit`; also of folds and bootstraps. None is 0.

    Returns
    -------
    dict
        Of lists, texts and numbers, ready for ``json.dumps``: ``pool``, ``rows``, ``headline``,
        ``decomposition``, ``disagreement``, ``contributions``, ``additions``, ``pareto``,
        ``certainty``, ``calibration``, ``missing``, ``zeros``, ``row_extremes``, ``notes``.
        docs/explain.md says what each holds. What is not defined for a pool is None, with a
        ``reason``; infinite numbers are the text ``"inf"``.

    Raises
    ------
    InputError
        As for :func:`opinionpool.fit`, and for costs, levels or folds that cannot be.

    Examples
    --------
    >>> import numpy as np, opinionpool as op
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(0, 3, 300)
    >>> models = {name: np.eye(3)[y] * 2 + rng.normal(size=(300, 3)) for name in "ab"}
    >>> found = op.explain(op.fit(models, y), models, y, draws=50)
    >>> found["headline"]["best_single"]["model"], found["certainty"]["normal"]["valid"]
    ('b', True)
    """
    from scipy.special import ndtri

    checked = given_pool(pool)
    if checked is None:
        raise InputError("pool: found None, expected a Pool or a saved one's path")
    pool, seed = checked, checked_seed(seed)
    if not (isinstance(level, int | float) and 0 < level < 1):
        raise InputError(f"level: found {level!r}, expected a number above 0 and below 1")
    if isinstance(draws, bool) or not isinstance(draws, int | np.integer) or draws < 0:
        raise InputError(f"draws: found {draws!r}, expected a whole number, or 0 for none")
    gathered = gather(
        predictions,
        pool.reading(confidence),
        y=y,
        sample_weight=sample_weight,
        own_labels=True,
    )
    targets = labelled(gathered)
    known = pool.prepared(gathered.predictions)
    if ordered and known.family.columns:
        raise InputError(f"ordered: {known.family.name} predictions have no classes")
    price, what = _costs(costs, pool)
    unasked = "not asked for: folds=0"
    if folds is None:
        unasked = "it would take long; folds=5 asks for it"
        fits = 5.0 * (known.n_models + 1)
        slow = pool.settings.floor == "learned" or known.present is not None
        quick = fits * known.parameters.size * (20 if slow else 1) <= _FOLD_CELLS
        folds = 5 if quick or groups is not None or time is not None else 0
    cluster, how = np.arange(len(targets.rows)), "errors by row"
    splits: list[Split] | str = unasked
    if folds or groups is not None or time is not None:
        splits, cluster, how = splits_of(gathered, targets, folds or 2, groups, time, seed)
        if not folds:
            splits, how = unasked, how.partition(", ")[2]
    z = float(ndtri(0.5 + level / 2))
    case = Case(pool, known, targets, cluster, z, draws, seed)
    warn_of_fallback(case.pooled, pool.policy)
    refits = Refits(case, _temperature(temperature, pool), seed)
    same = fingerprint(pool.known(gathered.predictions), targets) == pool.fingerprint
    contributed = contributions(case, refits, splits)
    added = additions(case, refits)
    found: dict[str, Any] = plainly(
        {
            "format": FORMAT,
            "version": VERSION,
            "level": level,
            "pool": _pool(pool),
            "rows": {
                **case.pooled.touched,
                "rows_unlabelled": targets.n_unlabelled,
                "weight": float(targets.weight.sum()),
                "fitted_on_these": same,
                "errors": how,
            },
            "headline": headline(case),
            "decomposition": split(case),
            "disagreement": disagreement(case),
            "contributions": contributed,
            "additions": added,
            "pareto": pareto(case, refits, price, what),
            "certainty": certainty(case, refits),
            "calibration": calibration(case, ordered=ordered),
            "missing": missing(case),
            "zeros": zeros(case),
            "row_extremes": rows_shown(case),
            "notes": _notes(case, refits, same),
        }
    )
    return found


def _pool(pool: Pool) -> dict[str, Any]:
    return {
        "family": pool.family,
        "rule": pool.rule,
        "weighting": pool.weighting,
        "models": list(pool.models),
        "classes": list(pool.classes),
        "weights": pool.weights,
        "temperature": pool.temperature,
        "gamma": pool.gamma,
        "model_temperatures": pool.model_temperatures,
        "vector": pool.vector,
        "gap": pool.gap,
        "status": pool.status.value,
        "sentence": pool.status.sentence,
        "penalty": pool.settings.penalty,
        "fitted_rows": pool.rows.get("fitted"),
        "fitted_loss": pool.loss,
    }


def _notes(case: Case, refits: Refits, same: bool) -> list[str]:
    notes = []
    if same:
        notes.append(
            "These are the rows that the pool was fitted on: gains over models that were not "
            "fitted here are a little too good"
        )
    else:
        notes.append(
            "The pool was fitted on other rows: what is said of models left out or added, and of "
            "bootstraps, is of pools refitted on these"
        )
    again = refits.some(refits.everyone)
    if same and again is not None and abs(again.loss - case.mean(case.losses)) > 1e-6:
        notes.append(
            "Refitting the pool on these rows gives another one: temperature= or seed= is not "
            "what it was for fit, and what is said of models left out or added is of that pool"
        )
        warn(notes[-1])
    return notes


def _costs(costs: Mapping[str, float] | None, pool: Pool) -> tuple[Any, str]:
    if costs is None:
        return np.ones(len(pool.models)), "models"
    if not isinstance(costs, Mapping) or set(costs) != set(pool.models):
        raise InputError(f"costs: expected a number for each of {', '.join(pool.models)}")
    price = [costs[name] for name in pool.models]
    for name, c in zip(pool.models, price, strict=True):
        number = isinstance(c, int | float | np.number) and not isinstance(c, bool)
        if not (number and np.isfinite(c) and c >= 0):
            raise InputError(f"costs: found {name}={c!r}, expected a finite number ≥ 0")
    return np.array(price, dtype=np.float64), "costs"


def _temperature(temperature: Temperature | None, pool: Pool) -> Temperature:
    if temperature is None:
        return 1.0 if pool.temperature == 1 else "fit"
    if is_word(temperature, "fit"):
        return "fit"
    return checked_temperature(temperature, fitted=True)
