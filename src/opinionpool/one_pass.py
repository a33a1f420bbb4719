"""Pooling that checks as it goes: predictions that need no second look are read once.

Pools know what their inputs are, and a few cells often prove it. Where these are logits that are
used as they are, each row in its place, nothing can be wrong but that a cell is not finite, and the
kernels see that while they pool; of probabilities they see that all rows are distributions. So they
are pooled at once, which is all there is to do nearly always; where something is found, nothing of
it counts, and they go the way of all others: surveyed first, then pooled.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .families import CATEGORICAL
from .kernels import fused
from .policies import Policy
from .pooling import Pooled
from .predictions.gather import Opened
from .predictions.in_place import AsTheyAre, as_they_are
from .predictions.kinds import CELL_SLACK, SUM_SLACK
from .rules.base import AnyRule
from .rules.fused import worthwhile

#: What rows of probabilities have to be, and where they are to be normalised: sums that are normal
#: numbers then.
_NEAR_ONE = fused.Bounds(1 - SUM_SLACK, 1 + SUM_SLACK, 1 + CELL_SLACK)
_ANY_SUM = fused.Bounds(float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max), np.inf)


def pooled_at_once(
    given: Opened,
    rule: AnyRule,
    weights: Mapping[str, float],
    inverse_temperature: float,
    policy: Policy,
    *,
    out: NDArray[Any] | None = None,
    threads: int = 1,
) -> Pooled | None:
    """Pool predictions that were opened, into ``out`` if that is given; None where they must wait.

    For somebody to look at them first. What is in ``out`` then means nothing.
    """
    n, k = given.n_rows, len(given.classes)
    if (
        not worthwhile(len(given.tables) * n * k)
        or inverse_temperature <= 0
        or policy.treats_members
        or policy.gamma is not None
        or given.tables.keys() != weights.keys()
    ):
        return None
    renormalise = given.reading.renormalise
    found = as_they_are(given.tables, given.alignment, given.layout, renormalise=renormalise)
    if found is None:
        return None
    w = np.array([weights[name] for name in given.tables])
    p = np.empty((n, k), given.dtype) if out is None else out
    if not _sound(rule, w, inverse_temperature, found, policy, renormalise, p, threads):
        return None
    touched = {"rows": n, "rows_with_missing": 0, "rows_fallback": 0}
    return Pooled(p, touched, CATEGORICAL, ready=True)


def _sound(
    rule: AnyRule,
    w: NDArray[np.float64],
    s: float,
    given: AsTheyAre,
    policy: Policy,
    renormalise: bool,
    out: NDArray[Any],
    threads: int,
) -> bool:
    """Pool cells, and scale the pool if that was fitted; return whether nothing was found."""
    vector, arrays = policy.vector, given.arrays
    if given.kind == "probabilities":
        bounds = _ANY_SUM if renormalise else _NEAR_ONE
        quick = rule.pool_distributions
        return vector is None and quick(w, s, arrays, bounds, out=out, threads=threads)
    if vector is None:
        return rule.pool_finite(w, s, arrays, out=out, threads=threads)

    def pool(first: int, last: int, log_p: NDArray[np.float64]) -> bool:
        own = [x[first:last] for x in arrays]
        return rule.pool_finite(w, s, own, out=log_p, log=True)

    return fused.pool_scaled(pool, vector, out=out, threads=threads)
