"""One number for a pool whose weights are chosen: its temperature.

Tempering a pool is a logarithmic pool of a single model, itself, so the same convex problem
and the same solver serve; the inverse temperature is that model's only weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from ..families.lazy import Lazy, Mapped, as_array
from ..families.logits import Logits
from ..families.mixed import Mixed
from ..rules import LOG
from ..rules.base import AnyRule
from ..rules.evidence import Evidence
from ..rules.objective import PooledLoss
from ..solvers.evaluation import Solution
from ..solvers.feasible import SHARPEST, FeasibleSet
from ..solvers.few_reads import minimise_with_few_reads
from ..solvers.newton import minimise

Array = NDArray[np.float64]


def own_temperatures(evidence: Evidence, penalty: float) -> Array:
    """Return each model's own inverse temperature, (M,), fitted to the rows it answered."""
    found = np.ones(evidence.n_models)
    for model in range(evidence.n_models):
        alone = replace(evidence.models([model]), confidence=None).answered()
        if alone.n_rows and alone.total_weight > 0:
            problem = PooledLoss(LOG, alone, penalty)
            solution = minimise(problem, FeasibleSet(1, SHARPEST, capped=True))
            if np.isfinite(solution.evaluation.value) and _possible(alone):
                found[model] = solution.v[0]
    return found


def _possible(evidence: Evidence) -> bool:
    """Whether a model rules out nothing that happened: else all temperatures are as bad.

    Kernels that read in place found an infinite loss; plain blocks leave vetoes to their caller.
    """
    if isinstance(evidence.parameters, Lazy):
        return True
    return bool(np.isfinite(evidence.log_likelihood()[:, evidence.weight > 0]).all())


class Tempering(NamedTuple):
    """The fit of a temperature: β is ``solution.v[0]``; ``loss`` is the mean without a penalty."""

    solution: Solution
    loss: float


def fit_temperature(
    rule: AnyRule, evidence: Evidence, weights: Array, penalty: float, *, closure: bool = False
) -> Tempering:
    """Fit the inverse temperature β of the pool with these weights.

    Convex in β (not in T); β = 0 is the uniform distribution, β = 100 the sharpest allowed.
    """
    family = evidence.family
    if isinstance(evidence.parameters, Lazy):
        return _fit_again_and_again(rule, evidence, weights, penalty, closure)
    pooled = np.concatenate(
        [
            rule.pooled(weights, b.parameters, b.attendance, closure=closure, family=family)
            for b in evidence.blocks()
        ]
    )
    answered = family.defined(pooled)
    itself = replace(
        evidence,
        parameters=pooled[None],
        present=None if answered.all() else answered[None],
        confidence=None,
    )
    problem = PooledLoss(LOG, itself, penalty)
    return _told(problem, minimise(problem, FeasibleSet(1, SHARPEST, capped=True)))


def _fit_again_and_again(
    rule: AnyRule, evidence: Evidence, weights: Array, penalty: float, closure: bool
) -> Tempering:
    """Fit the temperature of a pool that is kept, or formed again, part by part, in every pass."""
    family, attendance, present = evidence.family, evidence.attendance, evidence.present
    answered: NDArray[np.bool_] | None = None
    if present is not None:
        answered = np.asarray(present[weights > 0].any(axis=0))
    lazy = cast(Lazy, evidence.parameters)

    def pooled(block: Array, rows: slice) -> Array:
        here = None if attendance is None else attendance[:, rows]
        own = rule.pooled(weights, block, here, closure=closure, family=family)
        return own[None]

    def quick(
        arrays: Logits, rows: slice, into: Logits | None, shares: Sequence[bool] | None = None
    ) -> Logits:
        here = None if attendance is None else attendance[:, rows]
        out = np.empty_like(arrays[0]) if into is None else into[0]
        rule.pool_logits(weights, 1.0, arrays, here, out=out, closure=closure, shares=shares)
        return [out]

    itself_of = Mixed if rule.mixes else Mapped

    itself = replace(
        evidence,
        parameters=as_array(itself_of(lazy, pooled, 1, quick).kept(evidence.threads)),
        present=None if answered is None or answered.all() else answered[None],
        confidence=None,
    )
    problem = PooledLoss(LOG, itself, penalty)
    found = minimise_with_few_reads(
        problem, problem.sample(0), feasible=FeasibleSet(1, SHARPEST, capped=True)
    )
    return _told(problem, found)


def _told(problem: PooledLoss, found: Solution) -> Tempering:
    penalty, *_ = problem.penalty.evaluate(found.v)
    return Tempering(found, found.evaluation.value - penalty)
