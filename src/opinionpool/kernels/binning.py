"""Probabilities of classes in bins of equal mass, against what happened: the door to the kernel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import plain_layout
from .threads import in_threads

Array = NDArray[np.float64]

#: Reliability, resolution, uncertainty, variance and covariance within bins, Brier score, ECE.
SUMS = 7
#: Parts that classes are shared out in, for each thread.
_PARTS = 8


def split_classes(
    p: Array,
    classes: NDArray[np.int64] | None,
    soft: Array | None,
    weight: Array,
    bins: int,
    *,
    shared: int | None = None,
    threads: int = 1,
) -> tuple[Array, NDArray[np.bool_]]:
    """Sum each class against the rest over bins of equal mass; compiled kernels have to be there.

    Parameters
    ----------
    p
        (K, N) probabilities, class after class.
    classes, soft
        (N,) what happened, or its probabilities (K, N).
    weight
        (N,) row weights, above 0.
    bins
        How many, at most 127.
    shared
        The class that bins are of, None for each its own.
    threads
        How many to use; they end with the call.

    Returns
    -------
    sums
        (K, 7) means: the five parts of ``diagnostics.calibration``, the class's Brier score, and
        the distances of the bins' means, weighted with their mass.
    left
        (K,) classes that are quicker sorted: their sums were not made.
    """
    from .equal_mass import LANES, MOST_CELLS, split_classes

    k, n = p.shape
    found, left = np.zeros((k, SUMS)), np.zeros(k, np.uint8)
    p, u = plain_layout(p, np.float64), plain_layout(weight, np.float64)
    hard = plain_layout(np.zeros(0) if classes is None else classes, np.int64)
    q = plain_layout(np.zeros((0, 0)) if soft is None else soft, np.float64)
    step = k if shared is not None else -(-k // (_PARTS * threads))

    def work(first: int, last: int) -> None:
        scratch: tuple[Any, ...] = (
            np.empty(n, np.uint16),
            np.empty(MOST_CELLS),
            np.empty(MOST_CELLS, np.int8),
            np.empty(n, np.int64),
            np.empty((bins + 1, 3)),
        )
        bin_of, sums = np.empty(n, np.int8), np.empty((LANES, 3, bins))
        which = -1 if shared is None else shared
        split_classes(first, last, p, which, hard, q, u, bin_of, scratch, sums, found, left)

    in_threads(work, [(a, min(k, a + step)) for a in range(0, k, step)], threads)
    return found, left > 0
