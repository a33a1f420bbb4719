"""Pooling many rows of classes by the rules' kernels, and scaling the pool while it is in cache."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .families import CATEGORICAL, Family
from .families.lazy import Lazy, logits_in
from .families.logits import Logits, in_parts
from .kernels import fused
from .rules.base import AnyRule
from .rules.fused import worthwhile

Array = NDArray[np.float64]


def fusible(family: Family, s: float, parameters: Array, *, large: bool) -> bool:
    """Whether the rules' kernels may pool these, and are worth it.

    ``large`` as for :class:`~opinionpool.predictions.Predictions`.
    """
    worth = isinstance(parameters, Lazy) or worthwhile(parameters.size)
    return family is CATEGORICAL and s > 0 and (worth or (large and fused.compiled()))


def pool_quickly(
    rule: AnyRule,
    w: Array,
    s: float,
    parameters: Array,
    present: Array | NDArray[np.bool_] | None,
    *,
    out: NDArray[Any],
    log: bool,
    closure: bool,
    vector: Array | None = None,
    threads: int = 1,
) -> NDArray[np.uint8]:
    """Write pooled, tempered probabilities (N, K), or their logarithms; return rows' statuses.

    ``vector`` (2, K) scales them; statuses are those of the pool before that.
    """
    n = parameters.shape[1]
    status = np.empty(n, np.uint8)
    shares = None

    def pool(rows: slice, arrays: Logits, threads: int = 1) -> None:
        here = None if present is None else present[:, rows]
        own: dict[str, Any] = {"closure": closure, "shares": shares}
        if vector is None:
            own |= {"out": out[rows], "log": log, "threads": threads}
            status[rows] = rule.pool_logits(w, s, arrays, here, **own)
            return

        def some(first: int, last: int, log_p: Array) -> bool:
            some_here = None if here is None else here[:, first:last]
            cells = [x[first:last] for x in arrays]
            found = rule.pool_logits(w, s, cells, some_here, out=log_p, log=True, **own)
            status[rows.start + first : rows.start + last] = found
            return True

        fused.pool_scaled(some, vector, out=out[rows], log=log, threads=threads)

    if isinstance(parameters, Lazy) and parameters.in_place is None and parameters.at_hand:
        parameters.used_in_place()
        shares = parameters.shares if rule.mixes else None
        # Logits that are made are used while they are in cache.
        make = parameters.logits_of if shares is None else parameters.cells_of
        in_parts(make, n, pool, threads)
        return status
    for rows, arrays in logits_in(parameters, threads):
        pool(rows, arrays, threads)
    return status
