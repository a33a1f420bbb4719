"""The fewest models, or the cheapest, for every loss: greedy additions and the Pareto front."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Models = tuple[int, ...]

#: Up to this many sets of models every one is tried.
ALL_SETS = 63
#: Additions that are tried with a fit of their own at each step, and steps at most.
TRIED, STEPS = 3, 12


@dataclass(frozen=True)
class Fitted:
    """A pool of some models, refitted on the rows that are explained.

    Attributes
    ----------
    models
        Their numbers, ascending.
    weights
        One per model of these.
    temperature
        T of the pool.
    rows
        (N,) losses, None where they were never all in memory.
    loss
        Their weighted mean, nats per row.
    """

    models: Models
    weights: Array
    temperature: float
    rows: Array | None
    loss: float


Fit = Callable[[Models], Fitted | None]


def greedy_path(
    fit: Fit, singles: list[Fitted], promise: Callable[[Fitted], Array]
) -> list[Fitted]:
    """Add to the best model alone, one at a time, what lowers the refitted loss most.

    ``promise`` says of every model how much it may lower a pool's loss; only the most promising
    are refitted.
    """
    path = [min(singles, key=lambda f: f.loss)]
    m = max(f.models[0] for f in singles) + 1
    while len(path) < min(m, STEPS):
        now = path[-1]
        outside = np.setdiff1d(np.arange(m), now.models)
        likely = outside[np.argsort(-promise(now)[outside], kind="stable")[:TRIED]]
        tried = [fit(tuple(sorted((*now.models, int(a))))) for a in likely]
        able = [f for f in tried if f is not None]
        if not able:
            break
        path.append(min(able, key=lambda f: f.loss))
    return path


def all_sets(m: int) -> Iterable[Models]:
    """Yield every set of models, the small ones first."""
    for size in range(1, m + 1):
        yield from combinations(range(m), size)


def front(fits: Iterable[Fitted], cost: Array) -> list[tuple[Fitted, float]]:
    """Return the pools that no other one beats in both cost and loss, the cheapest first."""
    priced = sorted(
        ((f, float(cost[list(f.models)].sum())) for f in fits),
        key=lambda pair: (pair[1], pair[0].loss),
    )
    kept: list[tuple[Fitted, float]] = []
    for f, c in priced:
        if not kept or f.loss < kept[-1][0].loss:
            kept.append((f, c))
    return kept
