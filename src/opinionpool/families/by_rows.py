"""A number for every row of every model that is read by blocks: found by threads, in cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..kernels.threads import blocks, in_threads
from .lazy import logits_in

Array = NDArray[np.float64]

#: Blocks are parts of the usual ones: temporaries of half a megabyte stay in a core's cache.
PARTS = 32


def of_each_row(
    parameters: Array, f: Callable[[NDArray[Any], slice], Array], threads: int = 1
) -> Array:
    """Return what ``f(x, rows)`` says of each of these rows of logits x (n, K): (M, N)."""
    m, n, _ = parameters.shape
    found = np.empty((m, n))
    for rows, arrays in logits_in(parameters, threads):
        for own, x in zip(found[:, rows], arrays, strict=True):

            def work(
                first: int,
                last: int,
                own: Array = own,
                x: NDArray[Any] = x,
                begin: int = rows.start,
            ) -> None:
                own[first:last] = f(x[first:last], slice(begin + first, begin + last))

            in_threads(work, blocks(len(x), 8 * x.shape[1], PARTS), threads)
    return found
