"""Compiled kernel of the survey of probabilities of few classes: sixteen rows at a time.

Rows are turned into columns (``turned``). Sixteen that hold anything not finite, or of which one
has nothing above 0, are left to :mod:`~opinionpool.kernels.survey_shares`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .checksum import checksum_of
from .jit import inlined, jit, part
from .lanes import LANES, borrowed, keep, size_of, spread, start_of, store, wide
from .log_cells import FAINT
from .near_sums import fetch_four
from .reductions import highest_of, larger_of, lowest_of, smaller_of, total_of
from .scratch import scratch, scratch_rows
from .status import LEFT
from .survey_narrow import fetch_notes, repeated, rows_of_tile
from .survey_notes import settle
from .survey_shares import NOTES, look_up_shares, nothing_seen, seen
from .turned import four_turned
from .vector import view


@inlined
def widest_of(notes: Any, rows: int) -> float:
    """Return the largest quotient of two cells above 0 of a row."""
    widest = 1.0
    for r in range(rows):
        widest = max(widest, notes[4, r] / notes[5, r])
    return widest


@inlined
def shares_of_rows(at: Any, later: Any, K: int, like: Any) -> Any:
    """Return what is :func:`seen` of 16 rows, lane by lane; as many cells ``later`` are fetched."""
    found, rest = nothing_seen(like), K % 4
    for k in range(0, K - rest, 4):
        a, b, c, d = four_turned(like, at + np.uint64(k * size_of(like)), K)
        fetch_four(later + np.uint64(k * LANES * size_of(like)))
        if size_of(like) == 8:
            fetch_four(later + np.uint64(k * LANES * size_of(like) + 256))
        found = seen(b, seen(a, found, like), like)
        found = seen(d, seen(c, found, like), like)
    if rest > 0:
        a, b, c, _ = four_turned(like, at + np.uint64((K - rest) * size_of(like)), K)
        fetch_four(later + np.uint64((K - rest) * LANES * size_of(like)))
        found = seen(a, found, like)
        if rest > 1:
            found = seen(b, found, like)
        if rest > 2:
            found = seen(c, found, like)
    return found


@part
def shares_tile(
    at: Any, rows: int, K: int, of_rows: Any, states: Any, later: Any, like: Any
) -> tuple[float, float, float]:
    """Note rows' sums and extremes; return the largest and smallest cell, and how many are zeros.

    16 rows of which one is no distribution are LEFT, and then count for nothing.
    """
    dtype = like.dtype.type
    high, low = spread(like, dtype(-np.inf)), spread(like, dtype(np.inf))
    zeros, one, full = 0.0, spread(of_rows, 1.0), np.float64(rows)
    for r in range(0, rows, LANES):
        inset = np.uint64(r * K * size_of(like))
        top, bottom, least, above, total, check = shares_of_rows(
            at + inset, later[0] + inset, K, like
        )
        fetch_notes(later, r)
        store(of_rows[1], r, one * 0.0)
        if total_of(check) != 0 or lowest_of(total) < FAINT:
            states[r : r + LANES] = LEFT
            store(of_rows[0], r, one)
            store(of_rows[4], r, one)
            store(of_rows[5], r, one)
            continue
        high, low = larger_of(high, top), smaller_of(low, bottom)
        store(of_rows[0], r, total)
        store(of_rows[4], r, wide(top))
        store(of_rows[5], r, wide(least))
        if r + LANES <= full:
            zeros += np.float64(LANES * K) - np.float64(total_of(above))
        else:  # the last row again and again
            store(of_rows[2], r, wide(above))
            for i in range(r, rows):
                zeros += K - of_rows[2, i]
    return np.float64(highest_of(high)), np.float64(lowest_of(low)), zeros


@jit
def survey_narrow_shares(
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
    """Do as :func:`survey_shares`, of rows without gaps.

    The status of groups of 16 rows that are left to it is LEFT; their words are in the checksum.
    """
    words_of_row, many = K * size_of(like) // 4, rows_of_tile(K, size_of(like))
    owners = (scratch((many + LANES) * K, like), scratch_rows(NOTES, many, found))
    copies, of_rows = borrowed(owners[0]), borrowed(owners[1])
    classes, soft, weight = borrowed(outcomes[0]), borrowed(outcomes[1]), borrowed(outcomes[2])
    status, like, log_z, at_outcome = (
        borrowed(status),
        borrowed(like),
        borrowed(log_z),
        borrowed(at_outcome),
    )
    found, sums = borrowed(found), borrowed(sums)
    for begin in range(first, last, many):
        rows = min(many, last - begin)
        at = base + np.uint64(begin * step)
        if begin + rows == last:
            repeated(copies, at, rows, K, like)
            at = start_of(copies)
        behind, after = at + np.uint64(many * step), np.uint64(8 * (begin + many))
        later = (
            behind,
            start_of(classes) + after if classes.size else behind,
            start_of(weight) + after if weight.size else behind,
        )
        states, y = status[begin : begin + rows], classes[begin : begin + rows]
        q, u = soft[begin : begin + rows], weight[begin : begin + rows]
        states[:] = 0
        high, low, zeros = shares_tile(at, rows, K, of_rows, states, later, like)
        if checksum:
            sums[0] += checksum_of(at, rows * words_of_row, place + begin * words_of_row)
        if low <= high:
            found[0], found[1] = min(found[0], low), max(found[1], high)
            found[2] = max(found[2], widest_of(of_rows, rows))
            sums[1] += np.uint64(zeros)
        look_up_shares(of_rows[2], of_rows[3], view(at, like, rows * K), y, q, rows, K)
        z, p = log_z[begin : begin + rows], at_outcome[begin : begin + rows]
        settle(found, of_rows, of_rows[2], u, states, near, z, p)
    keep(owners)
