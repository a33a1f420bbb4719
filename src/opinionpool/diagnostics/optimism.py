"""How far a chosen threshold can be trusted: out-of-fold decisions, and bootstraps of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .cuts import Cuts
from .decisions import Aim

Array = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class OutOfFold:
    """Decisions by thresholds of other rows: (N,) each, and one threshold per fold."""

    decided: NDArray[np.bool_]
    tested: NDArray[np.bool_]
    thresholds: list[float]


def both_classes(positive: Array, negative: Array) -> bool:
    """Whether both classes are among rows of these weights."""
    return bool(positive.any() and negative.any())


def out_of_fold(
    aim: Aim, p: Array, positive: Array, negative: Array, splits: Sequence[tuple[Rows, Rows]]
) -> OutOfFold | int:
    """Decide the rows of each fold by the threshold that is best on its training rows.

    Returns the number of the first fold, from 1, whose training rows are of one class.
    """
    decided, tested = np.zeros(len(p), dtype=bool), np.zeros(len(p), dtype=bool)
    thresholds = []
    for number, (train, test) in enumerate(splits, start=1):
        if not both_classes(positive[train], negative[train]):
            return number
        t = Cuts(p[train]).best(aim, positive[train], negative[train]).threshold
        thresholds.append(t)
        decided[test], tested[test] = p[test] >= t, True
    return OutOfFold(decided, tested, thresholds)


def bootstrapped(
    aim: Aim,
    cuts: Cuts,
    positive: Array,
    negative: Array,
    cluster: Rows,
    draws: int,
    seed: int,
) -> Array:
    """Return the best threshold of each bootstrap, sorted; draws of one class have none.

    Clusters 0, 1, … are drawn whole, with replacement, as many as there are.
    """
    rng = np.random.default_rng(seed)
    n_clusters = int(cluster.max()) + 1
    found = []
    for _ in range(draws):
        drawn = np.bincount(rng.integers(n_clusters, size=n_clusters), minlength=n_clusters)
        times = drawn[cluster]
        plus, minus = positive * times, negative * times
        if both_classes(plus, minus):
            found.append(cuts.best(aim, plus, minus).threshold)
    return np.sort(np.array(found))


def quantiles(ordered: Array, level: float) -> tuple[float, float]:
    """Return the ends of the middle part of sorted numbers, themselves among them.

    No interpolation: one of the thresholds may be infinite.
    """
    last = len(ordered) - 1
    cut = round((1 - level) / 2 * last)
    return float(ordered[cut]), float(ordered[last - cut])
