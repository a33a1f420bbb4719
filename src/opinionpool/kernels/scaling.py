"""Vector scaling of pools while they are in cache: a factor and an offset per class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .applying import apply
from .choice import Kernels
from .threads import all_in_threads, blocks

Array = NDArray[np.float64]
#: Writes log-probabilities of rows ``first`` to ``last`` to an array; says whether they are sound.
LogPool = Callable[[int, int, Array], bool]

#: Blocks are parts of the usual ones, half a megabyte of log-probabilities: what is at work then
#: stays in a core's second-level cache.
_PARTS = 32
_ALONE = np.ones(1)


def scale(
    log_p: Array,
    vector: Array,
    *,
    out: NDArray[Any],
    log: bool = False,
    kernels: Kernels | None = None,
) -> None:
    """Write ``p ∝ exp(a_k ln p_k + b_k)``, or its logarithm; ``log_p`` is used up.

    Rows that are −inf throughout become 0, or stay so.

    Parameters
    ----------
    log_p
        (n, K) log-probabilities.
    vector
        (2, K) factors, positive, and offsets.
    out
        (n, K) where to write.
    log, kernels
        See :func:`~opinionpool.kernels.applying.apply`.

    Examples
    --------
    >>> out = np.empty((1, 2))
    >>> scale(np.log([[0.5, 0.5]]), np.array([[1.0, 1.0], [0.0, np.log(3)]]), out=out)
    >>> out.round(4)
    array([[0.25, 0.75]])
    """
    log_p *= vector[0]
    log_p += vector[1]
    apply([log_p], _ALONE, out=out, log=log, kernels=kernels)


def pool_scaled(
    pool: LogPool, vector: Array, *, out: NDArray[Any], log: bool = False, threads: int = 1
) -> bool:
    """Pool rows and :func:`scale` them, a few at a time; return whether all were sound.

    Where some were not, what ``out`` holds means nothing.
    """
    n, k = out.shape

    def work(first: int, last: int) -> bool:
        log_p = np.empty((last - first, k))
        sound = pool(first, last, log_p)
        if sound:
            scale(log_p, vector, out=out[first:last], log=log)
        return sound

    return all_in_threads(work, blocks(n, 8 * k, _PARTS), threads)
