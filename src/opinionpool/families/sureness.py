"""How sure distributions are that are read block by block: one minus their normalised entropy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .by_rows import of_each_row
from .lazy import Lazy, as_array

Array = NDArray[np.float64]

#: Differences of logits whose exponential is 0, and still is times this.
_NOTHING = -1e4


def sureness(lazy: Lazy, threads: int = 1) -> Array:
    """Return ``1 − H/ln K`` of every model's rows, (M, N); NaN where absent."""
    found = of_each_row(as_array(lazy), lambda x, _: entropy_of_logits(x), threads)
    return np.asarray(1 - found / np.log(lazy.shape[2]))


def entropy_of_logits(x: NDArray[Any]) -> Array:
    """Return ``H = log Σ e^t − Σ p t`` of rows, ``t = x − max x``, (n,)."""
    t = np.array(x, dtype=np.float64)
    with np.errstate(invalid="ignore"):  # rows that are absent
        t -= t.max(axis=1, keepdims=True)
        e = np.exp(t)
        np.maximum(t, _NOTHING, out=t)  # 0·(−inf) = 0
        mass = e.sum(axis=1)
        return np.asarray(np.log(mass) - np.einsum("nk,nk->n", e, t) / mass)
