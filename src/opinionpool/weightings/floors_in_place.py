"""Learned floors of predictions that are left in place: from a sample's optimum, in few readings.

Weights and floors move together (weightings/floored_loss.py). A sample of the rows is searched from
every start, a larger one from the best of its ends, and all rows are then read a few times.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..errors import Status
from ..families.floors import log_odds, mixed_lazily
from ..families.lazy import Lazy, as_array
from ..rules.evidence import Evidence
from ..rules.objective import PooledLoss
from ..solvers.beside_weights import Beside, Ended, descend
from .base import ENOUGH, TRACE, Choice, Task, Weighting, settled
from .floored_loss import FlooredLoss
from .missing import INSIDE
from .optimal import identical_models

Array = NDArray[np.float64]

#: What a step may promise where a search ends, of what would be enough: steps shrink to a half or
#: third of the one before, so that more is left than that. On samples, still less.
_LAST, _CLOSER = 0.1, 0.01
#: From a sample so many times as large as the first a few readings lead to the end: about half as
#: many as from the first (7 of 4 x 90,000 x 131 cells, 15).
LARGER = 8


def search(
    task: Task, weighting: Weighting, starts: tuple[float, ...], bounds: tuple[float, float]
) -> tuple[Array, Choice]:
    """Fit one ε per model, together with the weights, to evidence that is read by blocks."""
    first, group, sizes = identical_models(task.evidence)
    evidence = task.evidence.models(first)
    whole = FlooredLoss(PooledLoss(task.rule, evidence, task.penalty, sizes))
    sample = whole.sample(task.seed)
    lower = 0.0 if whole.problem.convex else INSIDE
    space = Beside(task.feasible(len(first), lower), *log_odds(np.array(bounds)))
    enough = ENOUGH if task.enough is None else task.enough
    evaluations, ends = 0, []
    for start in starts:
        begun, chosen = _begun(task, weighting, sample, sizes, start)
        end = descend(sample.evaluate, space, begun, _CLOSER * enough)
        evaluations += chosen.n_evaluations + end.n_evaluations
        ends.append(end)
    best = min(ends, key=lambda end: end.evaluation.value)
    if whole.affords(LARGER):
        larger = whole.sample(task.seed, LARGER)
        best = descend(larger.evaluate, space, best.x, _CLOSER * enough)
        evaluations += best.n_evaluations
    found = descend(whole.evaluate, space, best.x, _LAST * enough)
    return _told(whole, task, found, group, sizes, evaluations + found.n_evaluations)


def _begun(
    task: Task, weighting: Weighting, sample: FlooredLoss, sizes: Array, epsilon: float
) -> tuple[Array, Choice]:
    """Return the sample's best weights where all floors are ε, and that ε."""
    m = len(sizes)
    evidence = floored_in_place(sample.evidence, np.full(m, epsilon))
    choice = weighting.choose(replace(task, evidence=evidence))
    s = choice.inverse_temperature
    v = choice.weights * (task.feasible(m).total if s is None else s)
    return np.concatenate([v, np.full(m, log_odds(epsilon))]), choice


def _told(
    whole: FlooredLoss,
    task: Task,
    found: Ended,
    group: NDArray[np.int64],
    sizes: Array,
    evaluations: int,
) -> tuple[Array, Choice]:
    """Return every model's floor, and what is known of the weights: identical ones share theirs."""
    v, θ = np.split(found.x, 2)
    s = settled(float(v.sum()), whole.evidence.family)
    w = v / s if s > 0 else sizes / sizes.sum()
    w = np.where(w < TRACE, 0.0, w) / sizes
    now, even = found.evaluation, whole.problem.convex
    end = Status.SEPARABLE if task.feasible(len(v)).at_cap(v) else Status.STATIONARY
    choice = Choice(
        w[group] / w[group].sum(),
        s if task.joint else None,
        np.nan,
        end if found.stationary else Status.NOT_CONVERGED,
        evaluations,
        loss=now.value - whole.problem.penalty.evaluate(v)[0],
        untempered=now.untempered if even else np.nan,
    )
    return 1 / (1 + np.exp(-θ[group])), choice


def floored_in_place(evidence: Evidence, epsilon: Array) -> Evidence:
    """Return evidence that is read by blocks with every model mixed by its own ε."""
    lazy = evidence.parameters
    assert isinstance(lazy, Lazy)
    return replace(evidence, parameters=as_array(mixed_lazily(lazy, epsilon)))
