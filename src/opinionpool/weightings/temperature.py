"""One number for a pool whose weights are chosen: its temperature.

Tempering a pool is a logarithmic pool of a single model, itself, so the same convex problem
and the same solver serve; the inverse temperature is that model's only weight.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..rules import LOG
from ..rules.base import AnyRule
from ..rules.evidence import Evidence
from ..rules.objective import PooledLoss
from ..solvers.evaluation import Solution
from ..solvers.feasible import SHARPEST, FeasibleSet
from ..solvers.newton import minimise

Array = NDArray[np.float64]


def fit_temperature(
    rule: AnyRule, evidence: Evidence, weights: Array, penalty: float, *, closure: bool = False
) -> Solution:
    """Fit the inverse temperature β of the pool with these weights: ``solution.v[0]``.

    Convex in β (not in T); β = 0 is the uniform distribution, β = 100 the sharpest allowed.
    """
    pooled = np.concatenate(
        [rule.pooled(weights, b.log_p, b.present, closure=closure) for b in evidence.blocks()]
    )
    answered = pooled.max(axis=-1) > -np.inf
    itself = replace(
        evidence, log_p=pooled[None], present=None if answered.all() else answered[None]
    )
    problem = PooledLoss(LOG, itself, penalty)
    return minimise(problem, FeasibleSet(1, SHARPEST, capped=True))
