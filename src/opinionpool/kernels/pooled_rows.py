"""Compiled kernel of pooling by the log rule, row by row; see :mod:`~opinionpool.kernels.rows`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .jit import jit
from .passes import (
    differences,
    emit,
    exponential_sum,
    exponentials_ahead,
    highest,
    scale,
    subtract,
    weighted_sum,
)
from .status import IMPOSSIBLE, INVALID, UNANSWERED
from .tiles import TILE, answering, distances, locate, padded, repaired, scratch, scratch_rows


@jit
def apply_rows(
    first: int,
    last: int,
    base: Any,
    step: Any,
    v: Any,
    present: Any,
    out: Any,
    log: bool,
    past_caches: bool,
    status: Any,
    like: Any,
) -> None:
    """Pool rows ``first`` to ``last`` into ``out``: probabilities, or their logarithms."""
    K, m = out.shape[1], len(base)
    narrow = like.itemsize == 4
    wide = min(K, TILE)
    # A row of one tile stays in the first-level cache, a longer one in the second.
    z, zeros, row = scratch(wide, v), scratch(wide, like), scratch(K, like)
    clean = scratch_rows(padded(m), wide, like)
    at = np.empty(padded(m), np.uint64)
    ahead = distances(step, wide, K, like)
    row_v, share, rest = np.zeros(padded(m)), np.zeros(padded(m)), np.zeros(padded(m))
    row_v[:m] = v
    tiles = (K + wide - 1) // wide
    tops, sums = np.empty(tiles), np.empty(tiles)
    nothing = -np.inf if log else 0.0
    for n in range(first, last):
        status[n] = 0
        if present.size and not answering(row_v, share, rest, v, present, n):
            status[n] = UNANSWERED
            out[n] = nothing
            continue
        # Until the row's maximum is known, each tile is relative to its own.
        top = -np.inf
        for t in range(tiles):
            low = t * wide
            size = min(wide, K - low)
            cells = row[low : low + size]
            locate(at, base, step, present, n, low * like.itemsize, zeros)
            weighted_sum(z, at, row_v, size, like)
            tops[t], check = highest(z, size)
            if check != 0:
                status[n] |= repaired(z, at, row_v, size, clean, zeros, like)
                tops[t], check = highest(z, size)
            sums[t] = 0.0
            if tops[t] == -np.inf:
                cells[:] = nothing
                continue
            if log:
                differences(cells, z, tops[t], size)
                sums[t] = exponential_sum(z, tops[t], size, narrow)
            else:
                sums[t] = exponentials_ahead(
                    cells, z, tops[t], size, narrow, at, ahead, like.itemsize
                )
            top = max(top, tops[t])
        if top == -np.inf and status[n] == 0:
            status[n] = IMPOSSIBLE
        if status[n]:
            out[n] = np.nan if status[n] == INVALID else nothing
            continue
        total = 0.0
        for t in range(tiles):
            total += sums[t] * math.exp(tops[t] - top)
        for t in range(tiles):
            low = t * wide
            size = min(wide, K - low)
            if sums[t] > 0 and log:
                subtract(row[low : low + size], top - tops[t] + math.log(total), size)
            elif sums[t] > 0:
                scale(row[low : low + size], math.exp(tops[t] - top) / total, size)
        emit(out[n], row, K, past_caches)
