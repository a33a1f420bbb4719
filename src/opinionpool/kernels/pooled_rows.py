"""Compiled kernel of pooling by the log rule, row by row; see :mod:`~opinionpool.kernels.rows`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .jit import jit
from .lanes import borrowed, keep
from .places import leave_out, locate, set_out
from .scratch import scratch, scratch_rows, table
from .status import IMPOSSIBLE, INVALID, LEFT, UNANSWERED
from .sweeps import emitted, exponentiated, pooled
from .tiles import (
    TILE,
    answering,
    groups_of,
    padded,
    repaired,
    spread_out,
)


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
) -> int:
    """Pool rows ``first`` to ``last`` into ``out``: probabilities, or their logarithms.

    Only those whose status is LEFT: others are done. Returns how many tiles of them hold a cell
    that is not finite, in a model that was asked.
    """
    K, m, m4 = out.shape[1], len(base), padded(len(base))
    wide, groups = min(K, TILE), groups_of(m)
    tiles = (K + wide - 1) // wide
    owners = (
        (scratch(wide, v), scratch(wide, v), table(3, m4, v), table(2, tiles, v)),
        # A row of one tile stays in the first-level cache, a longer one in the second.
        (
            scratch(wide, like),
            scratch(K if tiles > 1 else 1, like),
            scratch_rows(m4 + 1, wide, like),
        ),
        (table(4, 3 * m4, base),),
    )
    z, e, of_models = borrowed(owners[0][0]), borrowed(owners[0][1]), borrowed(owners[0][2])
    of_tiles, zeros, row = borrowed(owners[0][3]), borrowed(owners[1][0]), borrowed(owners[1][1])
    clean, places = borrowed(owners[1][2]), borrowed(owners[2][0])
    at, to, tops, sums = places[0][:m4], places[0][m4 : 2 * m4], of_tiles[0], of_tiles[1]
    row_v, share, rest = of_models[0], of_models[1], of_models[2]
    base, step, present, like = borrowed(base), borrowed(step), borrowed(present), borrowed(like)
    out, status = borrowed(out), borrowed(status)
    for a in range(m):
        row_v[a] = v[a]
    set_out(places, base, step, zeros, wide, K, False, like)
    nothing, mended = -np.inf if log else 0.0, 0
    for n in range(first, last):
        if status[n] != LEFT:
            continue
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
            locate(places, n, t)
            if present.size:
                leave_out(at, present, n, zeros)
            tops[t] = pooled(z, at, to, row_v, groups, size, like)
            into, lines = e if log else z, spread_out(to, groups)
            sums[t], check = exponentiated(into, z, tops[t], size, lines, like)
            if check != 0:
                mended += 1
                state, tops[t] = repaired(z, at, row_v, size, clean, zeros, like)
                status[n] |= state
                sums[t] = 0.0
                if tops[t] > -np.inf:
                    sums[t], check = exponentiated(into, z, tops[t], size, lines, like)
            if tiles > 1:
                cells, shift = row[low : low + size], -tops[t] if log else 0.0
                if tops[t] > -np.inf:
                    emitted(cells, z, 1.0, shift, size, False, like)
                else:
                    cells[:] = nothing
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
            factor, addend = 1.0, -(top + math.log(total))
            if tiles > 1 and sums[t] > 0:
                addend += tops[t]
            if not log:
                factor, addend = math.exp(tops[t] - top) / total, 0.0
            if tiles > 1:
                done = row[low : low + size]
                emitted(out[n, low : low + size], done, factor, addend, size, past_caches, like)
            else:
                emitted(out[n], z, factor, addend, size, past_caches, like)
    keep(owners)
    return mended
