"""Compiled kernel of the survey of probabilities, whose logarithms are never taken.

A row's normaliser is the logarithm of its sum, what happened is one cell, and the largest distance
of two logarithms that of the largest and the smallest cell above 0: a few logarithms a row, at the
speed of reading. Cells that are not above 0 count as 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .checksum import checksum_of
from .jit import inlined, jit, part
from .lanes import LANES, borrowed, keep, load, load_first, size_of, spread, wide
from .log_cells import FAINT, LIFT, log_share
from .near_sums import LN2, fetch_four
from .powers import WAITING
from .reductions import highest_of, keep_first, larger_of, lowest_of, smaller_of, total_of
from .scratch import scratch_rows
from .status import IMPOSSIBLE, INFINITE, MISSING, PARTLY_NAN
from .survey_notes import settle
from .survey_rows import SPAN_BYTES, reach_of, special
from .turned import positive_or, where_above
from .vector import view

#: Notes of a row: those of ``settle``, its largest cell and its smallest above 0.
NOTES = 6


@part
def look_up_shares(
    own: Any, share: Any, x: Any, classes: Any, soft: Any, rows: int, K: int
) -> None:
    """Note ``Σ_k q_k ln x_k`` and ``Σ_k q_k`` of what happened in rows, 0 where nobody knows it."""
    for r in range(rows):
        own[r], share[r] = 1.0, 0.0
        if soft.size:
            total = mass = 0.0
            for k in range(K):
                if soft[r, k] > 0:
                    total += soft[r, k] * log_share(np.float64(x[r * K + k]))
                    mass += soft[r, k]
            own[r], share[r] = total, mass
        elif classes.size and classes[r] >= 0:
            own[r], share[r] = np.float64(x[r * K + classes[r]]), 1.0
    if soft.size == 0:
        for r in range(rows):
            own[r] = log_share(own[r])


@inlined
def nothing_seen(like: Any) -> Any:
    """Return what :func:`seen` adds to."""
    dtype = like.dtype.type
    nought = spread(like, dtype(0))
    high, low = spread(like, dtype(np.inf)), spread(like, dtype(-np.inf))
    return low, high, high, nought, wide(nought), nought


@inlined
def seen(x: Any, so_far: Any, like: Any) -> Any:
    """Return 16 cells and those before: lane by lane, what there is to know.

    The largest, the smallest, the smallest above 0, how many are above 0, the sum of these, and a
    number that is 0 if all are finite.
    """
    top, bottom, least, above, total, check = so_far
    dtype = like.dtype.type
    nought = spread(like, dtype(0))
    return (
        larger_of(top, x),
        smaller_of(bottom, x),
        smaller_of(least, positive_or(x, dtype(np.inf))),
        above + where_above(x, nought, dtype(1), nought),
        total + wide(positive_or(x, dtype(0))),
        check + x * dtype(0),
    )


@part
def shares_of(address: Any, n: int, ahead: int, like: Any) -> Any:
    """Return what is :func:`seen` of n cells; what comes ``ahead`` bytes later is fetched."""
    dtype, found, later = like.dtype.type, nothing_seen(like), address + np.uint64(ahead)
    for k in range(0, n - 4 * LANES + 1, 4 * LANES):
        for i in range(4):
            found = seen(load(like, address, k + i * LANES), found, like)
        fetch_four(later + np.uint64(k * size_of(like)))
        if size_of(like) == 8:
            fetch_four(later + np.uint64(k * size_of(like) + 256))
    for k in range(n - n % (4 * LANES), n - LANES + 1, LANES):
        found = seen(load(like, address, k), found, like)
    top, bottom, least, above, total, check = found
    if n % LANES:
        many = n % LANES
        x = load_first(like, address, n - many, many)  # zeros behind, which are nothing above 0
        top = larger_of(top, keep_first(x, many, dtype(-np.inf)))
        bottom = smaller_of(bottom, keep_first(x, many, dtype(np.inf)))
        _, _, least, above, total, check = seen(x, (top, bottom, least, above, total, check), like)
    return (
        np.float64(highest_of(top)),
        np.float64(lowest_of(bottom)),
        np.float64(lowest_of(least)),
        np.float64(total_of(above)),
        total_of(total),
        total_of(check) == 0,
    )


@jit
def survey_shares(
    first: int,
    last: int,
    checksum: bool,
    base: int,
    step: int,
    K: int,
    outcomes: Any,
    near: Any,
    wanted: bool,
    log_z: Any,
    at_outcome: Any,
    status: Any,
    place: int,
    like: Any,
    found: Any,
    sums: Any,
) -> None:
    """Do to rows of probabilities what ``survey_rows`` does to their logarithms.

    Of the cells themselves are the checksum and the extremes. ``found[2]`` is the largest quotient
    of two cells of a row, ``sums[1]`` counts the cells of good rows that are not above 0.
    """
    words_of_cell, span = size_of(like) // 4, SPAN_BYTES // size_of(like)
    owner = scratch_rows(NOTES, WAITING, found)
    ahead, notes = reach_of(K, step, like), borrowed(owner)
    like, status = borrowed(like), borrowed(status)
    classes, soft, weight = borrowed(outcomes[0]), borrowed(outcomes[1]), borrowed(outcomes[2])
    log_z, at_outcome = borrowed(log_z), borrowed(at_outcome)
    found, sums = borrowed(found), borrowed(sums)
    noted = first  # row of the first note
    for n in range(first, last):
        at, r = base + np.uint64(n * step), n - noted
        nan = infinite = 0
        high, low, least, above, mass = -np.inf, np.inf, np.inf, 0.0, 0.0
        for start in range(0, K, span):
            size, begin = min(span, K - start), at + np.uint64(start * size_of(like))
            top, bottom, positive, many, total, finite = shares_of(begin, size, ahead, like)
            if not finite:
                counts = special(view(begin, like, size), size)
                nan, infinite = nan + counts[0], infinite + counts[1]
            if checksum:
                words = size * words_of_cell
                sums[0] += checksum_of(begin, words, place + (n * K + start) * words_of_cell)
            high, low, least = max(high, top), min(low, bottom), min(least, positive)
            above, mass = above + many, mass + total
        state = 0
        if nan > 0:
            state = MISSING if nan == K else PARTLY_NAN
        elif infinite > 0:
            state = INFINITE
        elif above == 0:
            state = IMPOSSIBLE
        status[n] = state
        sound = state == 0
        if sound:
            sums[1] += np.uint64(K - above)
            found[0], found[1] = min(found[0], low), max(found[1], high)
            found[2] = max(found[2], high / least)
        faint = sound and mass < FAINT
        notes[0, r] = (mass * 2.0**LIFT if faint else mass) if sound else 1.0
        notes[1, r] = (-LIFT * LN2 if faint else 0.0) if sound else np.nan
        own = notes[:, r : r + 1]
        look_up_shares(own[2], own[3], view(at, like, K), classes[n : n + 1], soft[n : n + 1], 1, K)
        if r + 1 == WAITING or n + 1 == last:
            here = slice(noted, n + 1)
            u, z, p = weight[here], log_z[here], at_outcome[here]
            settle(found, notes, notes[2], u, status[here], near, z, p)
            noted = n + 1
    keep(owner)
