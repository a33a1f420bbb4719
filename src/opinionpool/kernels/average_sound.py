"""Compiled weighted means of probabilities that are looked at meanwhile: each row is read once.

A row's sum has to be known before its cells can be weighed. While it is added up its extremes are
found too: where it is a distribution, cells need neither be cut at 0 nor be asked whether they are
finite, and all models' are weighed in registers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .jit import inlined, jit, part
from .lanes import LANES, borrowed, keep, load, load_first, size_of, spread, wide
from .near_sums import fetch_four
from .places import locate, set_out
from .reductions import highest_of, keep_first, larger_of, lowest_of, smaller_of, total_of
from .scratch import scratch, table
from .survey_rows import reach_of
from .sweeps import emitted, pooled
from .tiles import TILE, groups_of, padded


@inlined
def with_cells(found: Any, x: Any) -> Any:
    """Return a sum, the largest and the smallest cells, with 16 cells more."""
    return found[0] + wide(x), larger_of(found[1], x), smaller_of(found[2], x)


@part
def looked_at(address: Any, n: int, ahead: int, like: Any) -> tuple[float, float, float]:
    """Return the sum of some cells, the largest and the smallest; fetch what is ``ahead``.

    The sum tells whether one is not finite; the extremes mean something where it is.
    """
    dtype, later = like.dtype.type, address + np.uint64(ahead)
    nought, least = wide(spread(like, dtype(0))), spread(like, dtype(-np.inf))
    even = odd = (nought, least, least * dtype(-1))
    for k in range(0, n - 4 * LANES + 1, 4 * LANES):
        even = with_cells(even, load(like, address, k))
        odd = with_cells(odd, load(like, address, k + LANES))
        even = with_cells(even, load(like, address, k + 2 * LANES))
        odd = with_cells(odd, load(like, address, k + 3 * LANES))
        fetch_four(later + np.uint64(k * size_of(like)))
        if size_of(like) == 8:
            fetch_four(later + np.uint64(k * size_of(like) + 256))
    for k in range(n - n % (4 * LANES), n, LANES):
        many = min(LANES, n - k)
        x = load_first(like, address, k, many)
        even = (
            even[0] + wide(x),
            larger_of(even[1], keep_first(x, many, dtype(-np.inf))),
            smaller_of(even[2], keep_first(x, many, dtype(np.inf))),
        )
    high, low = highest_of(larger_of(even[1], odd[1])), lowest_of(smaller_of(even[2], odd[2]))
    return total_of(even[0] + odd[0]), np.float64(high), np.float64(low)


@inlined
def is_sound(found: tuple[float, float, float], bounds: tuple[float, float, float]) -> bool:
    """Whether what :func:`looked_at` found is a distribution.

    ``bounds`` are the least and the largest sum, and the largest cell: written so that a sum that
    is NaN is none.
    """
    mass, high, low = found
    return bounds[0] <= mass and mass <= bounds[1] and high <= bounds[2] and low >= 0


@jit
def average_sound(
    base: Any, step: Any, w: Any, bounds: Any, out: Any, past_caches: bool, like: Any
) -> bool:
    """Write ``Σ_α w_α x_α / Σ_k x_αk``; return whether all rows are distributions.

    Where one is not, it ends.
    """
    K, m, m4 = out.shape[1], len(base), padded(len(base))
    tile, groups = min(K, TILE), groups_of(m)
    owners = scratch(tile, w), scratch(m4, w), scratch(tile, like), table(4, 3 * m4, base)
    total, by, zeros, places = (
        borrowed(owners[0]),
        borrowed(owners[1]),
        borrowed(owners[2]),
        borrowed(owners[3]),
    )
    base, step, out, like = borrowed(base), borrowed(step), borrowed(out), borrowed(like)
    set_out(places, base, step, zeros, tile, K, False, like)
    at = places[0][:m4]
    sound = True
    for n in range(len(out)):
        for a in range(m):
            row, ahead = base[a] + np.uint64(n * step[a]), reach_of(K, step[a], like)
            found = looked_at(row, K, ahead, like)
            sound = sound and is_sound(found, bounds)
            by[a] = w[a] / found[0]
        if not sound:
            break
        for low in range(0, K, tile):
            size = min(tile, K - low)
            locate(places, n, low // tile)
            pooled(total, at, at, by, groups, size, like)
            emitted(out[n, low : low + size], total, 1.0, 0.0, size, past_caches, out)
    keep(owners)
    return sound
