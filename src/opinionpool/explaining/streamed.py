"""Everything about a pool in three readings of the rows, and a memory that they do not change.

Refits are on a random sample, which takes a reading where rows cannot be had one by one. The next
reads off what the pool itself says of the rows, and how to move the refits to what they would be
on all of them (:mod:`.corrections`); the last takes their losses there.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..diagnostics.pareto import Fitted, Models
from ..fit import needed_prior
from ..options import penalty_scale
from ..pool import Pool
from ..pooling import Pooled, warn_of_fallback
from .absences import Costs
from .binned import Calibration
from .bootstraps import bootstrap
from .case import Case
from .certainty import certain
from .contributions import addition_path, additions, contributions, out_of_fold, pareto, without_one
from .corrections import Corrections, correctable
from .heard import Heard
from .question import Answer, Question
from .refits import Refits
from .revised import Revised, with_prior
from .slopes import Slopes
from .stream import Sample, Stream
from .survey import Survey
from .temperatures import Temperatures
from .way import Way


def answer(stream: Stream, asked: Question, chosen: NDArray[np.int64]) -> Answer:
    """Explain a pool on the rows of a stream, with refits on those ``chosen``, by number."""
    pool, clusters, z, size = stream.pool, stream.clusters, asked.z, len(chosen)
    slopes = Slopes(pool, stream.known, clusters)
    scale = penalty_scale(pool.settings.penalty)
    doubtful = asked.same and not asked.remembered
    case = _sampled(stream, chosen, [slopes] if doubtful else [])
    # A pool that was fitted on these rows as it would be refitted is what a refit on them finds.
    own = asked.same and (
        asked.remembered or slopes.estimate(asked.temperature, scale)[0] is not None
    )
    heard = Heard(stream.known, stream.targets)
    weight = float(case.weight.sum())
    refits = Refits(case, asked.temperature, asked.seed, weight / heard.total)
    if own:
        refits.adopt(pool)
    path = _tried(case, refits, asked)
    held_out = out_of_fold(case, refits, asked.folds)

    survey, way = Survey(pool, clusters, z), Way(pool)
    calibration = Calibration(stream.known, z, ordered=asked.ordered)
    temperatures = Temperatures(case, heard.shares(case.answered @ case.weight, weight))
    costs = Costs(pool, heard.patterns(), clusters)
    spared = frozenset([refits.everyone] if own else [])
    first = Corrections(refits, _started(refits, own), spared, same=asked.same)
    # The most work first: threads that take what is next then end together.
    sums = (first, *survey.parts, *calibration.parts, *temperatures.parts, way, costs)
    stream.read(*sums, *(() if doubtful else (slopes,)))
    _warn_of_fallback(pool, survey.touched)

    temperatures.step()
    prior = needed_prior(pool.settings, stream.targets, case.known)
    pools = with_prior({models: moved for models, (moved, _) in first.applied().items()}, prior)
    last = Corrections(refits, pools, spared, same=asked.same, before=first)
    revised = Revised(
        pools,
        refits.reasons,
        _pairs(len(case.names), path),
        pool,
        clusters,
        z,
        same=asked.same,
        last=last,
    )
    stream.read(revised, last, *temperatures.parts)

    estimate, why = slopes.estimate(asked.temperature, scale)
    again = revised.some(revised.everyone)
    sections = {
        **survey.found(costs),
        "contributions": contributions(case, revised, held_out, survey.headline.model_losses),
        "additions": additions(case, revised, _still(path, revised)),
        "pareto": pareto(case, revised, asked.price, asked.priced),
        "certainty": certain(
            case,
            None if again is None else again.weights,
            slopes,
            estimate,
            why,
            bootstrap(case, None, slopes, estimate),
            survey.divergences.matrix,
            way.found(),
        ),
        "calibration": calibration.found(case.known.classes, temperatures.found()),
        "method": {
            "refits": "a sample, losses on all rows",
            "refitted_rows": size,
            "bins": f"cells of relative width {2.0**-calibration.digits:g}",
            "bins_of_classes": f"cells of relative width {2.0**-calibration.class_digits:g}",
            "readings": stream.passes,
        },
    }
    exact = own or correctable(pool)
    refitted = None if again is None or not exact else again.loss
    notes = _notes(stream, survey, size, correctable(pool))
    return Answer(sections, survey.touched, survey.headline.loss, refitted, notes)


def _started(refits: Refits, own: bool) -> dict[Models, Pool]:
    """Return the refits, those of which better is known replaced by it.

    Without models of weight 0 an optimum on all rows stays what it is, but for the penalty.
    """
    whole, pools = refits.case.pool, dict(refits.pools)
    if not (own and correctable(whole)):
        return pools
    used = set(np.flatnonzero(whole.weights > 0).tolist())
    for models, pool in pools.items():
        if used <= set(models):
            kept = replace(pool, weights=whole.weights[list(models)])
            pools[models] = replace(kept, temperature=whole.temperature)
    return pools


def _tried(case: Case, refits: Refits, asked: Question) -> list[Models]:
    """Refit everything that is asked for; return the way of additions."""
    m = len(case.names)
    refits.some(refits.everyone)
    for i in range(m):
        if m > 1:
            refits.some(without_one(i, m))
    path = addition_path(case, refits)
    pareto(case, refits, asked.price, asked.priced)
    return path


def _pairs(m: int, path: list[Models]) -> list[tuple[Models, Models]]:
    """Return which pools are to be compared."""
    everyone = tuple(range(m))
    left_out = [(without_one(i, m), everyone) for i in range(m) if m > 1]
    return left_out + list(pairwise(path))


def _still(path: list[Models], revised: Revised) -> list[Models]:
    """Return the way as far as there are pools on all rows."""
    some: list[Fitted | None] = [revised.some(models) for models in path]
    return path[: some.index(None)] if None in some else path


def _sampled(stream: Stream, chosen: NDArray[np.int64], others: list[Slopes]) -> Case:
    """Return the sample; where that takes a reading of all rows, add them to others on the way."""
    if stream.at_hand and not others:
        return stream.some(chosen)
    sample = Sample(stream, chosen)
    stream.read(sample, *others)
    return sample.case()


def _warn_of_fallback(pool: Pool, touched: dict[str, int]) -> None:
    warn_of_fallback(Pooled(np.empty((0, 1)), touched), pool.policy)


def _notes(stream: Stream, survey: Survey, size: int, moved: bool) -> list[str]:
    notes = [
        f"The rows are many: pools with models left out or added were refitted on {size:,} of "
        f"{stream.n:,} rows, drawn at random"
        + (", moved by a Newton step on all rows," if moved else "")
        + " and their losses are on all rows; bins of probabilities are of about equal mass"
    ]
    if survey.absences.short:
        notes.append(
            "There are more patterns of missing outputs than were counted: the rows of each may "
            f"be {survey.absences.short:,} more"
        )
    return notes
