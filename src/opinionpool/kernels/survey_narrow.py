"""Compiled kernel of the survey for few classes: sixteen rows at a time.

Rows are turned into columns, sixteen rows to a vector (``turned``): maxima, exponentials and
their sums are then those of every row, whatever constants the rows have. A tile that holds anything
not finite is left, by whoever calls, to :mod:`~opinionpool.kernels.survey_rows`, which takes its
rows apart.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .jit import inlined, jit, part
from .lanes import LANES, borrowed, keep, load, spread, start_of, store, wide
from .narrow import rows_of_tile
from .powers import exponential, logarithm, near_exponential32
from .reductions import highest_of, larger_of, lowest_of, smaller_of, total_of
from .scratch import scratch
from .status import LEFT
from .survey_rows import NEAR32, at_soft, fetch, word_sums
from .turned import filled_up, turn
from .vector import view


@inlined
def extremes_of_rows(columns: Any, K: int) -> Any:
    """Return 16 rows' largest and smallest cells, and lanes that are 0 if all cells are finite."""
    start = start_of(columns)
    top = bottom = load(columns, start, 0)
    check = top * columns.dtype.type(0)
    for k in range(1, K):
        x = load(columns, start, k * LANES)
        top, bottom = larger_of(top, x), smaller_of(bottom, x)
        check = check + x * columns.dtype.type(0)
    return top, bottom, check


@inlined
def near_masses(columns: Any, K: int, top: Any) -> Any:
    """Return 16 rows' ``Σ_k exp(x_k − top)`` of float32 cells in ``NEAR32`` of their tops.

    Each is good to 1e-7; two at a time are added in float32.
    """
    start, total = start_of(columns), wide(top * columns.dtype.type(0))
    for k in range(0, K - 1, 2):
        a = near_exponential32(load(columns, start, k * LANES) - top)
        b = near_exponential32(load(columns, start, (k + 1) * LANES) - top)
        total = total + wide(a + b)
    if K % 2:
        a = near_exponential32(load(columns, start, (K - 1) * LANES) - top)
        total = total + wide(a)
    return total


@inlined
def masses(columns: Any, K: int, top: Any) -> Any:
    """Return 16 rows' ``Σ_k exp(x_k − top)`` in float64."""
    start, high, total = start_of(columns), wide(top), wide(top * columns.dtype.type(0))
    for k in range(K):
        x = wide(load(columns, start, k * LANES))
        total = total + exponential(x - high, columns.itemsize == 4)
    return total


@part
def repeated(out: Any, at: Any, rows: int, K: int, like: Any) -> None:
    """Copy rows, and the last one until they are a multiple of 16; cells behind may be read."""
    x = view(at, like, rows * K)
    for r in range((rows + LANES - 1) // LANES * LANES):
        for k in range(K):
            out[r * K + k] = x[min(r, rows - 1) * K + k]


@jit
def survey_narrow(
    first: int,
    last: int,
    base: int,
    step: int,
    K: int,
    classes: Any,
    soft: Any,
    log_z: Any,
    at_outcome: Any,
    status: Any,
    checksum: bool,
    like: Any,
    extent: Any,
    sums: Any,
) -> None:
    """Do as :func:`~opinionpool.kernels.survey_rows.survey_rows`, of rows without gaps.

    The status of tiles that are left to it is LEFT.
    """
    words_of_cell, many, wanted = like.itemsize // 4, rows_of_tile(K), log_z.size > 0
    owners = (
        (scratch(LANES * filled_up(K), like), scratch((many + LANES) * K, like)),
        (scratch(many, log_z), scratch(many, log_z)),
    )
    columns, copies = borrowed(owners[0][0]), borrowed(owners[0][1])
    mass, tops = borrowed(owners[1][0]), borrowed(owners[1][1])
    classes, soft, status, like = (
        borrowed(classes),
        borrowed(soft),
        borrowed(status),
        borrowed(like),
    )
    log_z, at_outcome = borrowed(log_z), borrowed(at_outcome)
    extent, sums = borrowed(extent), borrowed(sums)
    # Of all rows so far, lane by lane.
    high = spread(like, like.dtype.type(-np.inf))
    low, widest = spread(like, like.dtype.type(np.inf)), spread(log_z, 0.0)
    for begin in range(first, last, many):
        rows = min(many, last - begin)
        at = base + np.uint64(begin * step)
        if begin + rows == last:
            repeated(copies, at, rows, K, like)
            at = start_of(copies)
        fault = False
        for r in range(0, rows, LANES):
            turn(like, start_of(columns), at + np.uint64(r * K * like.itemsize), K)
            top, bottom, check = extremes_of_rows(columns, K)
            if total_of(check) != 0:
                fault = True
                break
            high, low = larger_of(high, top), smaller_of(low, bottom)
            far = wide(top) - wide(bottom)
            widest = larger_of(widest, far)
            # Not spread over the tile: the next one is asked for a group of rows at a time.
            fetch(at + np.uint64((many + r) * step), LANES * K * like.itemsize)
            if not wanted:
                continue
            if like.itemsize == 4 and highest_of(far) < NEAR32:
                store(mass, r, near_masses(columns, K, top))
            else:
                store(mass, r, masses(columns, K, top))
            store(tops, r, wide(top))
        if fault:
            status[begin : begin + rows] = LEFT
            continue
        if checksum:
            word_sums(sums, at, rows * K * words_of_cell, begin * K * words_of_cell)
        status[begin : begin + rows] = 0
        if not wanted:
            continue
        # Slices: what counts from 0 cannot be an index from the end, which would be looked for.
        here, to = log_z[begin : begin + rows], at_outcome[begin : begin + rows]
        for r in range(rows):
            here[r] = tops[r] + logarithm(mass[r])
        x = view(at, like, rows * K)
        if soft.size:
            for r in range(rows):
                to[r] = at_soft(x[r * K : (r + 1) * K], soft[begin + r], K, here[r])
        elif at_outcome.size:
            happened = classes[begin : begin + rows]
            for r in range(rows):
                y = happened[r]
                to[r] = x[r * K + y] - here[r] if y >= 0 else 0.0
    extent[0] = min(extent[0], np.float64(lowest_of(low)))
    extent[1] = max(extent[1], np.float64(highest_of(high)))
    extent[2] = max(extent[2], np.float64(highest_of(widest)))
    keep(owners)
