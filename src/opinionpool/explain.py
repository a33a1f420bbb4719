"""Why a pool is what it is: everything that is worth knowing about it, in one plain dict."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from .errors import InputError, warn
from .explaining import exactly, streamed
from .explaining.case import Case
from .explaining.folded import folded
from .explaining.plainly import plainly
from .explaining.question import Answer, Question
from .explaining.stream import Stream, drawn
from .fit import labelled
from .kernels.fused import compiled
from .options import Temperature, checked_seed, checked_temperature, is_word
from .pool import Pool
from .predictions import Predictions, gather
from .predictions.confidence import Scores
from .provenance import fingerprint
from .resources import Memory, checked_threads, memory_budget
from .score import given_pool
from .score_whole import precise

FORMAT, VERSION = "opinionpool.explanation", 1
DRAWS = 200
#: Fits of a cross-validation times cells up to which it is done without being asked for.
_FOLD_CELLS = 1e8
#: Cells (models × rows × parameters) up to which every refit is on all rows: some eighty pools,
#: which at this size take half a minute and half a gigabyte.
WHOLE_CELLS = 1 << 23
#: Else refits are on this many rows, or fewer where these have more cells.
SAMPLE_ROWS, SAMPLE_CELLS = 20_000, 1 << 22
#: But not on so few that the curvature is not known to a few per cent.
_LEAST_ROWS = 1000


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
    sample: int | None = None,
    memory: Memory | None = None,
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
        For refits: ``"fit"``, or the temperature that the pool was given; None takes what the
        pool remembers, and of one that does not, 1 as given and anything else as fitted.
    folds, groups, time
        Leaving models out is tested on folds as for :func:`opinionpool.compare`, where errors
        are by group or by moment too. ``folds=0`` for no such test, None for five where that
        is quick.
    draws
        How many bootstraps of the rows (or groups, or moments) show how far weights move.
    level
        Of all intervals, between 0 and 1.
    sample
        On how many rows, drawn at random, pools with models left out or added are refitted;
        their losses are on all rows in any case. None refits on all rows, or where they have
        more than 8 million cells on 20,000, and then reads the rows three times, a block at a
        time. A number of at least as many as there are is all of them.
    memory
        As for :func:`opinionpool.fit`: files that would need more are read block by block.
    seed
        As it was for :func:`opinionpool.fit`; also of folds and bootstraps. None is 0.

    Returns
    -------
    dict
        Of lists, texts and numbers, ready for ``json.dumps``: ``pool``, ``rows``, ``headline``,
        ``decomposition``, ``disagreement``, ``contributions``, ``additions``, ``pareto``,
        ``certainty``, ``calibration``, ``missing``, ``zeros``, ``row_extremes``, ``method``,
        ``notes``.
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
    threads = checked_threads(None)
    gathered = gather(
        predictions,
        pool.reading(confidence),
        y=y,
        sample_weight=sample_weight,
        own_labels=True,
        lazily=True,
        memory=memory_budget(memory),
        threads=threads,
    )
    targets = labelled(gathered)
    known = pool.known(gathered.predictions)
    if compiled():
        known = precise(known, threads)
    known = pool.prepared(known)
    if ordered and known.family.columns:
        raise InputError(f"ordered: {known.family.name} predictions have no classes")
    price, what = _costs(costs, pool)
    size = _sampled(sample, known, len(targets.rows))
    chosen = None if size is None else drawn(len(targets.rows), size, seed)
    fits = 5.0 * (known.n_models + 1) * known.n_models * known.n_parameters
    slow = pool.settings.floor == "learned" or known.present is not None
    splits, cluster, how = folded(
        gathered,
        targets,
        folds,
        groups,
        time,
        seed,
        quick=fits * (size or len(targets.rows)) * (20 if slow else 1) <= _FOLD_CELLS,
        sample=chosen,
    )
    # Hashing takes long; another number of rows is no question.
    same = len(targets.rows) == pool.rows.get("fitted") and (
        fingerprint(pool.known(gathered.predictions), targets) == pool.fingerprint
    )
    z = float(ndtri(0.5 + level / 2))
    asked = Question(*_temperature(temperature, pool), same, splits, price, what, ordered, z, seed)
    if chosen is None:
        each = np.arange(len(targets.rows)) if cluster is None else cluster
        case = Case(pool, known.whole(), targets, each, z, int(draws), seed)
        answer = exactly.answer(case, asked)
    else:
        stream = Stream(pool, known, targets, cluster, z, int(draws), seed, threads)
        answer = streamed.answer(stream, asked, chosen)
    order = (
        *("headline", "decomposition", "disagreement", "contributions", "additions", "pareto"),
        *("certainty", "calibration", "missing", "zeros", "row_extremes", "method"),
    )
    found: dict[str, Any] = plainly(
        {
            "format": FORMAT,
            "version": VERSION,
            "level": level,
            "pool": _pool(pool),
            "rows": {
                **answer.touched,
                "rows_unlabelled": targets.n_unlabelled,
                "weight": float(targets.weight.sum()),
                "fitted_on_these": same,
                "errors": how,
            },
            **{name: answer.sections[name] for name in order},
            "notes": _notes(answer, asked),
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


def _notes(answer: Answer, asked: Question) -> list[str]:
    notes = []
    if asked.same:
        notes.append(
            "These are the rows that the pool was fitted on: gains over models that were not "
            "fitted here are a little too good"
        )
    else:
        notes.append(
            "The pool was fitted on other rows: what is said of models left out or added, and of "
            "bootstraps, is of pools refitted on these"
        )
    notes += answer.notes
    refitted = answer.refitted
    if asked.same and refitted is not None and abs(refitted - answer.loss) > 1e-6:
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


def _temperature(temperature: Temperature | None, pool: Pool) -> tuple[Temperature, bool]:
    """Return the temperature of refits, and whether it is known to be that of the fit."""
    remembered = pool.settings.temperature
    own: Temperature = "fit" if remembered == "fit" else pool.temperature
    if temperature is None:
        if remembered is not None:
            return own, True
        return (1.0 if pool.temperature == 1 else "fit"), False
    asked: Temperature = "fit"
    if not is_word(temperature, "fit"):
        asked = checked_temperature(temperature, fitted=True)
    return asked, remembered is not None and asked == own


def _sampled(sample: int | None, known: Predictions, n_rows: int) -> int | None:
    """Return on how many rows refits are to be, None for all of them."""
    if sample is None:
        width = known.n_models * known.n_parameters
        if isinstance(known.parameters, np.ndarray) and width * n_rows <= WHOLE_CELLS:
            return None
        sample = min(SAMPLE_ROWS, max(_LEAST_ROWS, SAMPLE_CELLS // width))
    elif isinstance(sample, bool) or not isinstance(sample, int | np.integer) or sample < 1:
        raise InputError(f"sample: found {sample!r}, expected a whole number of rows above 0")
    return int(sample) if sample < n_rows else None
