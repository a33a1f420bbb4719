"""How sure distributions are that are read block by block: one minus their normalised entropy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..kernels.threads import blocks, in_threads
from .lazy import Lazy, as_array, logits_in

Array = NDArray[np.float64]

#: Blocks are parts of the usual ones: temporaries of half a megabyte stay in a core's cache.
_PARTS = 32
#: Differences of logits whose exponential is 0, and still is times this.
_NOTHING = -1e4


def sureness(lazy: Lazy, threads: int = 1) -> Array:
    """Return ``1 − H/ln K`` of every model's rows, (M, N); NaN where absent."""
    m, n, k = lazy.shape
    found = np.empty((m, n))
    for rows, arrays in logits_in(as_array(lazy), threads):
        for own, x in zip(found[:, rows], arrays, strict=True):
            _write(own, x, threads)
    return np.asarray(1 - found / np.log(k))


def _write(out: Array, x: NDArray[Any], threads: int) -> None:
    """Write the entropies of logits (n, K)."""

    def work(first: int, last: int) -> None:
        out[first:last] = entropy_of_logits(x[first:last])

    in_threads(work, blocks(len(x), 8 * x.shape[1], _PARTS), threads)


def entropy_of_logits(x: NDArray[Any]) -> Array:
    """Return ``H = log Σ e^t − Σ p t`` of rows, ``t = x − max x``, (n,)."""
    t = np.array(x, dtype=np.float64)
    with np.errstate(invalid="ignore"):  # rows that are absent
        t -= t.max(axis=1, keepdims=True)
        e = np.exp(t)
        np.maximum(t, _NOTHING, out=t)  # 0·(−inf) = 0
        mass = e.sum(axis=1)
        return np.asarray(np.log(mass) - np.einsum("nk,nk->n", e, t) / mass)
