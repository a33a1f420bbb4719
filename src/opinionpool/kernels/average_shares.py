"""Compiled weighted means of probabilities, each row of each model read once.

A row's sum has to be known before its cells can be weighed: they are still in the cache then.
Rows of few classes are turned into columns, sixteen at a time (``turned``); sixteen rows of which
one is no distribution are left to the kernel that takes rows one by one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .jit import jit, part
from .lanes import (
    LANES,
    borrowed,
    keep,
    load,
    load_first,
    rounded,
    size_of,
    spread,
    start_of,
    store,
    wide,
)
from .log_cells import FAINT
from .masses import added, mass_of
from .reductions import highest_of, larger_of, lowest_of, smaller_of, total_of
from .scratch import scratch
from .status import IMPOSSIBLE, INVALID, LEFT
from .survey_narrow import repeated
from .survey_rows import fetch, reach_of, special
from .sweeps import emitted
from .turned import filled_up, positive_or, turn, turn_back
from .vector import view


@part
def add_shares(total: Any, address: Any, by: float, n: int, fresh: bool, like: Any) -> None:
    """Add ``by`` times what is above 0 to n numbers, or set them to it."""
    dtype, start = like.dtype.type, start_of(total)
    for k in range(0, n - LANES + 1, LANES):
        own = wide(positive_or(load(like, address, k), dtype(0))) * by
        store(total, k, own if fresh else load(total, start, k) + own)
    if n % LANES:
        k = n - n % LANES
        own = wide(positive_or(load_first(like, address, k, n - k), dtype(0))) * by
        store(total, k, own if fresh else load(total, start, k) + own)


@jit
def average_rows(
    base: Any, step: Any, w: Any, left: Any, out: Any, past_caches: bool, status: Any, like: Any
) -> None:
    """Write ``Σ_α w_α x_α / Σ_k x_αk`` of the rows that are LEFT.

    Weights are (M, 1), or (M, n) for rows that differ: cells of a weight of 0 are not looked at.
    Rows of which a model's cells are none above 0, or not finite, are noted in ``status``.
    """
    K, (m, columns) = out.shape[1], w.shape
    owner = scratch(K, w)
    total, base, step, w = borrowed(owner), borrowed(base), borrowed(step), borrowed(w)
    left, out, status, like = borrowed(left), borrowed(out), borrowed(status), borrowed(like)
    for n in range(len(out)):
        if left[n] != LEFT:
            continue
        fresh, invalid, state = True, False, 0
        for a in range(m):
            share = w[a, n if columns > 1 else 0]
            if share == 0:
                continue
            at = base[a] + np.uint64(n * step[a])
            mass, finite = mass_of(at, K, reach_of(K, step[a], like), like)
            if not finite:
                nan, above, _ = special(view(at, like, K), K)
                if nan + above > 0:
                    invalid, state = True, max(state, INVALID)
            if mass == 0:
                state = max(state, IMPOSSIBLE)
            add_shares(total, at, share / mass if mass > 0 else 0.0, K, fresh, like)
            fresh = False
        status[n] = max(status[n], state)
        if fresh or invalid:
            out[n] = 0.0 if fresh else np.nan
        else:
            emitted(out[n], total, 1.0, 0.0, K, past_caches, out)
    keep(owner)


@part
def turned_mass(columns: Any, at: Any, K: int, extremes: Any, like: Any) -> Any:
    """Turn 16 rows into columns; return their sums, and lanes that are 0 if all is finite.

    And ``extremes``, the largest and smallest cells so far, of these rows too.
    """
    nought, (high, low) = spread(like, like.dtype.type(0)), extremes
    found = (wide(nought), nought)
    turn(like, start_of(columns), at, K)
    for k in range(K):
        x = load(like, start_of(columns), k * LANES)
        high, low = larger_of(high, x), smaller_of(low, x)
        found = added(x, found, like)
    return found, (high, low)


@jit
def average_narrow(
    base: Any, step: Any, w: Any, left: Any, out: Any, past_caches: bool, bounds: Any, like: Any
) -> None:
    """Do as :func:`average_rows`, of rows side by side; what it is left to becomes LEFT.

    So do rows that are not within ``bounds``: the least and the largest sum, the smallest and the
    largest cell.
    """
    K, (m, columns), n = out.shape[1], w.shape, len(out)
    owners = (
        (scratch(LANES * filled_up(K), like), scratch(2 * LANES * K, like)),
        (scratch(LANES * K, w), scratch(LANES, w)),
        (scratch(LANES * filled_up(K), out), scratch(LANES * K, out), out.reshape(out.size)),
    )
    turned, copies = borrowed(owners[0][0]), borrowed(owners[0][1])
    total, factors = borrowed(owners[1][0]), borrowed(owners[1][1])
    means, cells, flat = borrowed(owners[2][0]), borrowed(owners[2][1]), borrowed(owners[2][2])
    base, step, w, like = borrowed(base), borrowed(step), borrowed(w), borrowed(like)
    left, size = borrowed(left), K * size_of(like)
    infinite, least = spread(w, np.inf), spread(like, like.dtype.type(-np.inf))
    for r in range(0, n, LANES):
        rows, sound = min(LANES, n - r), True
        lightest, heaviest = infinite, infinite * -1.0
        highest, lowest = least, least * like.dtype.type(-1)
        for a in range(m):
            at = base[a] + np.uint64(r * step[a])
            if r + LANES >= n:  # behind the last row nothing may be read
                repeated(copies, at, rows, K, like)
                at = start_of(copies)
            fetch(at + np.uint64(LANES * size), LANES * size)
            (mass, check), (highest, lowest) = turned_mass(turned, at, K, (highest, lowest), like)
            if total_of(check) != 0 or lowest_of(mass) < FAINT:
                sound = False
                break
            lightest, heaviest = smaller_of(lightest, mass), larger_of(heaviest, mass)
            store(factors, 0, mass)
            for i in range(LANES):
                factors[i] = w[a, min(r + i, n - 1) if columns > 1 else 0] / factors[i]
            by = load(w, start_of(factors), 0)
            for k in range(0, LANES * K, LANES):
                x = wide(positive_or(load(like, start_of(turned), k), like.dtype.type(0)))
                store(total, k, x * by if a == 0 else load(w, start_of(total), k) + x * by)
        light, heavy = lowest_of(lightest), highest_of(heaviest)
        low, high = np.float64(lowest_of(lowest)), np.float64(highest_of(highest))
        within = bounds[0] <= light and heavy <= bounds[1] and bounds[2] <= low <= high <= bounds[3]
        if not (sound and within):
            left[r : r + rows] = LEFT
            continue
        for k in range(0, LANES * K, LANES):
            store(means, k, rounded(out, load(w, start_of(total), k)))
        turn_back(out, start_of(cells), start_of(means), K)
        emitted(flat[r * K : (r + rows) * K], cells, 1.0, 0.0, rows * K, past_caches, out)
    keep(owners)
