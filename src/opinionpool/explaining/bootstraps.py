"""Weights on bootstraps of the rows: refits, or one Newton step each."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..diagnostics.weight_inference import Estimate, one_step_draws
from ..errors import OpinionPoolError
from .case import Case
from .refits import Refits
from .slopes import Slopes

Array = NDArray[np.float64]

#: Cells (models × rows × parameters × draws) up to which every bootstrap is a refit.
REFIT_CELLS = 3e7


@dataclass(frozen=True)
class Drawn:
    """Weights (draws, M) on bootstraps of the rows, and how, or why there are none."""

    weights: Array
    how: str


def bootstrap(
    case: Case, refits: Refits | None, slopes: Slopes, estimate: Estimate | None
) -> Drawn:
    """Draw bootstraps of the rows: refits, or where these take long one Newton step each.

    Without ``refits``, which need all rows, it is always the latter.
    """
    m, pool = len(case.names), case.pool
    none = np.empty((0, m))
    if case.draws == 0:
        return Drawn(none, "not asked for: draws=0")
    if pool.weighting in ("given", "uniform"):
        return Drawn(none, "the weights do not depend on the rows")
    size = 0 if refits is None else case.known.n_models * len(case.weight) * case.known.n_parameters
    if estimate is not None and (refits is None or size * case.draws > REFIT_CELLS):
        v = one_step_draws(estimate, case.draws, case.seed)
        group = slopes.group
        s = v.sum(axis=1, keepdims=True)
        able = s[:, 0] > 0
        shares = v[able] / s[able] / np.bincount(group)
        return Drawn(shares[:, group], "one Newton step per draw")
    slow = estimate is None and (
        case.known.present is not None or pool.settings.floor == "learned" or bool(pool.gamma)
    )
    draws = min(case.draws, int(REFIT_CELLS / (size * (20 if slow else 1)))) if size else 0
    if refits is None or draws < 20:
        return Drawn(none, "refits would take too long; the rows or models are many")
    return Drawn(_refitted(case, refits, draws), "refits")


def _refitted(case: Case, refits: Refits, draws: int) -> Array:
    rng = np.random.default_rng(case.seed)
    codes = np.unique(case.cluster, return_inverse=True)[1]
    n, found = int(codes.max()) + 1, []
    for _ in range(draws):
        counts = np.bincount(rng.integers(n, size=n), minlength=n)[codes]
        drawn = case.targets.take(counts > 0)
        try:
            drawn = replace(drawn, weight=drawn.weight * counts[counts > 0])
            found.append(refits.fit(refits.everyone, drawn).weights)
        except OpinionPoolError:
            continue
    return np.array(found).reshape(len(found), len(case.names))
