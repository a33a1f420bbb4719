"""Compiled kernel of the survey for few classes: sixteen rows at a time.

Rows are turned into columns, sixteen rows to a vector (``turned``): maxima, exponentials and
their sums are then those of every row, whatever constants the rows have. Sixteen rows that hold
anything not finite are left, by whoever calls, to :mod:`~opinionpool.kernels.survey_rows`, which
takes them apart.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .checksum import checksum_of
from .jit import inlined, jit, part
from .lanes import LANES, borrowed, keep, load, size_of, spread, start_of, store, wide
from .near_sums import LN2, is_near, near_rows, shift_of
from .powers import LOG2_E, MAGIC32, MOST32, exponential, shifted_exponential32
from .reductions import highest_of, larger_of, lowest_of, smaller_of, total_of
from .scratch import scratch, scratch_rows
from .status import LEFT
from .survey_notes import look_up, settle
from .survey_rows import SPAN_BYTES, fetch
from .turned import filled_up, turn
from .vector import view

#: How far cells may be below a maximum for their exponentials to be normal float32 numbers where
#: the shift is the nearest power of two (ln 2**-126 is −87.3).
NEAR32 = 86.0
#: Rows of a tile at most: what is noted of them stays in the first-level cache.
MOST_ROWS = 256


@part
def rows_of_tile(K: int, itemsize: int) -> int:
    """Return how many rows a tile has: whole vectors of them."""
    return min(MOST_ROWS, max(LANES, SPAN_BYTES // itemsize // K // LANES * LANES))


@inlined
def fetch_notes(later: Any, r: int) -> None:
    """Ask for what is known of 16 rows, in two lists of 8 bytes a row."""
    fetch(later[1] + np.uint64(8 * r), 8 * LANES)
    fetch(later[2] + np.uint64(8 * r), 8 * LANES)


@inlined
def extremes_of_rows(columns: Any, K: int, later: Any) -> Any:
    """Return 16 rows' largest and smallest cells, and lanes that are 0 if all cells are finite.

    As many cells ``later`` are fetched meanwhile.
    """
    column = LANES * size_of(columns)
    start = start_of(columns)
    top = bottom = load(columns, start, 0)
    check = top * columns.dtype.type(0)
    fetch(later, column)
    for k in range(1, K):
        x = load(columns, start, k * LANES)
        top, bottom = larger_of(top, x), smaller_of(bottom, x)
        check = check + x * columns.dtype.type(0)
        fetch(later + np.uint64(k * column), column)
    return top, bottom, check


@part
def near_tile(
    at: Any, rows: int, K: int, shift: float, of_rows: Any, cells: Any, later: Any, like: Any
) -> tuple[float, float, float, bool]:
    """Set float32 rows' ``Σ_k exp(x_k − top)``, where top is as near as one shift makes it.

    ``of_rows`` are places for sums and tops, ``cells`` rows' classes, to be replaced by their
    cells; empty if nobody asks. Returns the largest and smallest cell, the largest distance in a
    row, and whether all of it holds: all cells are finite, and near. Meanwhile what comes ``later``
    is fetched: cells, classes and weights.
    """
    dtype, picking = like.dtype.type, cells.size > 0
    mass, tops = of_rows[0], of_rows[1]
    magic, nought = spread(like, dtype(MAGIC32 - shift)), spread(mass, 0.0)
    high, low, widest = spread(like, dtype(-np.inf)), spread(like, dtype(np.inf)), nought
    check, reference, classes = nought, spread(mass, shift * LN2), magic
    for r in range(0, rows, LANES):
        inset = np.uint64(r * K * size_of(like))
        if picking:
            classes = load(like, start_of(cells), r)
        top, bottom, total, own = near_rows(
            at + inset, later[0] + inset, K, magic, classes, picking, like
        )
        high, low = larger_of(high, top), smaller_of(low, bottom)
        widest = larger_of(widest, wide(top) - wide(bottom))
        check = check + total * 0.0
        store(mass, r, total)
        store(tops, r, reference)
        if picking:
            store(cells, r, own)
        fetch_notes(later, r)
    most, least = np.float64(highest_of(high)), np.float64(lowest_of(low))
    sound = total_of(check) == 0 and is_near(most, least, shift)
    return most, least, highest_of(widest), sound


@inlined
def near_masses(columns: Any, K: int, magic: Any) -> Any:
    """Return 16 rows' ``Σ_k exp(x_k) / 2**shift``, where ``magic`` is ``MAGIC32 − shift``."""
    start, total = start_of(columns), wide(magic * columns.dtype.type(0))
    for k in range(K):
        total = total + wide(shifted_exponential32(load(columns, start, k * LANES), magic))
    return total


@inlined
def masses(columns: Any, K: int, top: Any) -> Any:
    """Return 16 rows' ``Σ_k exp(x_k − top)`` in float64."""
    start, high, total = start_of(columns), wide(top), wide(top * columns.dtype.type(0))
    for k in range(K):
        x = wide(load(columns, start, k * LANES))
        total = total + exponential(x - high, size_of(columns) == 4)
    return total


@part
def careful_tile(
    at: Any, rows: int, K: int, of_rows: Any, columns: Any, states: Any, later: Any, like: Any
) -> tuple[float, float, float, bool]:
    """Do as :func:`near_tile`, with a top for each row, of cells that may be anything.

    What is not finite makes 16 rows LEFT, which then count for nothing. There are no sums without
    ``of_rows``.
    """
    dtype, wanted = like.dtype.type, of_rows.size > 0
    high, low = spread(like, dtype(-np.inf)), spread(like, dtype(np.inf))
    widest, sound = spread(of_rows, 0.0), True
    for r in range(0, rows, LANES):
        inset = np.uint64(r * K * size_of(like))
        turn(like, start_of(columns), at + inset, K)
        fetch_notes(later, r)
        top, bottom, check = extremes_of_rows(columns, K, later[0] + inset)
        if total_of(check) != 0:
            states[r : r + LANES] = LEFT
            sound = False
            continue
        high, low = larger_of(high, top), smaller_of(low, bottom)
        widest = larger_of(widest, wide(top) - wide(bottom))
        if wanted:
            set_masses(of_rows, r, columns, K, top, bottom, like)
    return np.float64(highest_of(high)), np.float64(lowest_of(low)), highest_of(widest), sound


@inlined
def set_masses(
    of_rows: Any, r: int, columns: Any, K: int, top: Any, bottom: Any, like: Any
) -> None:
    """Set the sums and the tops of 16 rows whose extremes are known."""
    dtype, mass, tops = like.dtype.type, of_rows[0], of_rows[1]
    largest = larger_of(top, bottom * dtype(-1))
    # Both in one: going over lanes takes as long as two columns do.
    far = larger_of((top - bottom) * dtype(MOST32 / NEAR32), largest)
    if size_of(like) == 4 and highest_of(far) < MOST32:
        digits = dtype(1.5 * 2**23)
        shift = (top * dtype(LOG2_E) + digits) - digits  # rounded to a whole number
        store(mass, r, near_masses(columns, K, dtype(MAGIC32) - shift))
        store(tops, r, wide(shift) * LN2)
    else:
        store(mass, r, masses(columns, K, top))
        store(tops, r, wide(top))


@part
def repeated(out: Any, at: Any, rows: int, K: int, like: Any) -> None:
    """Copy rows, and the last one until they are a multiple of 16; cells behind may be read."""
    x = view(at, like, rows * K)
    for r in range((rows + LANES - 1) // LANES * LANES):
        for k in range(K):
            out[r * K + k] = x[min(r, rows - 1) * K + k]


@part
def numbered(out: Any, share: Any, classes: Any, rows: int) -> None:
    """Write classes as numbers of the dtype of ``out``, and what counts of each row: all, or 0."""
    for r in range(rows):
        out[r], share[r] = classes[r], 1.0 if classes[r] >= 0 else 0.0


@jit
def survey_narrow(
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
    """Do as :func:`~opinionpool.kernels.survey_rows.survey_rows`, of rows without gaps.

    The status of groups of 16 rows that are left to it is LEFT; their words are in the checksum.
    """
    words_of_row, many = K * size_of(like) // 4, rows_of_tile(K, size_of(like))
    narrow = size_of(like) == 4 and wanted
    picking = narrow and outcomes[0].size > 0
    owners = (
        (scratch(LANES * filled_up(K), like), scratch((many + LANES) * K, like)),
        (scratch_rows(4 if wanted else 0, many, found), scratch(many if picking else 0, like)),
    )
    columns, copies = borrowed(owners[0][0]), borrowed(owners[0][1])
    of_rows, picked = borrowed(owners[1][0]), borrowed(owners[1][1])
    classes, soft, weight = borrowed(outcomes[0]), borrowed(outcomes[1]), borrowed(outcomes[2])
    status, like, log_z, at_outcome = (
        borrowed(status),
        borrowed(like),
        borrowed(log_z),
        borrowed(at_outcome),
    )
    found, sums = borrowed(found), borrowed(sums)
    shift, hopeful = 0.0, narrow
    for begin in range(first, last, many):
        rows = min(many, last - begin)
        at = base + np.uint64(begin * step)
        if begin + rows == last:
            repeated(copies, at, rows, K, like)
            at = start_of(copies)
        # Classes and weights are as far from the caches as cells: a fifth of the time, unless
        # they are asked for. (Where there are none, something that is there.)
        behind, after = at + np.uint64(many * step), np.uint64(8 * (begin + many))
        later = (
            behind,
            start_of(classes) + after if classes.size else behind,
            start_of(weight) + after if weight.size else behind,
        )
        # Slices: what counts from 0 cannot be an index from the end, which would be looked for.
        states, y = status[begin : begin + rows], classes[begin : begin + rows]
        q, u = soft[begin : begin + rows], weight[begin : begin + rows]
        states[:] = 0
        high, low, widest, sound = -np.inf, np.inf, 0.0, False
        if hopeful:
            if picking:
                numbered(picked, of_rows[3], y, rows)
            high, low, widest, sound = near_tile(at, rows, K, shift, of_rows, picked, later, like)
        known = picking and sound
        if not sound:
            high, low, widest, sound = careful_tile(
                at, rows, K, of_rows, columns, states, later, like
            )
        if checksum:
            sums[0] += checksum_of(at, rows * words_of_row, place + begin * words_of_row)
        # As the tile before was: what needs care is not tried in vain.
        hopeful = narrow and sound and is_near(high, low, shift)
        if low <= high:
            found[0], found[1] = min(found[0], low), max(found[1], high)
            found[2] = max(found[2], widest)
            shift = shift_of(high, low)
        if not wanted:
            continue
        z, p = log_z[begin : begin + rows], at_outcome[begin : begin + rows]
        if known:
            settle(found, of_rows, picked, u, states, near, z, p)
        else:
            look_up(of_rows[2], of_rows[3], view(at, like, rows * K), y, q, rows, K)
            settle(found, of_rows, of_rows[2], u, states, near, z, p)
    keep(owners)
