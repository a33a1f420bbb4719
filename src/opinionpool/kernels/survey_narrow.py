"""Compiled kernel of the survey for few classes: several rows at a time.

Rows that follow one another are one long run of cells. Where the cells of a tile of rows are all
finite and near enough to one another, exponentials are relative to the tile's maximum and nothing
but their sums knows of rows; else :mod:`~opinionpool.kernels.survey_rows` takes the rows of the
tile apart.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .jit import carray, jit
from .narrow import rows_of_tile
from .passes import PIECE, exponentials
from .powers import LOG2_E, logarithm, near_power
from .status import IMPOSSIBLE
from .survey_rows import (
    AHEAD,
    NEAR,
    at_soft,
    extremes,
    fetch,
    lowest,
    special,
    survey_rows,
    word_sums,
)
from .tiles import scratch
from .vector import larger, pointer, smaller


@jit
def near_exponentials(e: Any, x: Any, low: float, n: int) -> None:
    """Set ``e[:n] = 2**(x/ln 2 − low)`` of float32 cells, exponents all in ±1022."""
    for k in range(n):
        e[k] = near_power(x[k] * LOG2_E - low)


@jit
def near_exponentials_ahead(e: Any, x: Any, top: float, n: int, ahead: int) -> None:
    """Set ``e[:n] = exp(x − top)``; see ``near_sum_ahead``."""
    at, size = x.ctypes.data + ahead, x.itemsize
    for first in range(0, n, PIECE):
        last = min(n, first + PIECE)
        fetch(np.uint64(at + first * size), (last - first) * size)
        near_exponentials(e[first:last], x[first:last], top * LOG2_E, last - first)


@jit
def row_sums(total: Any, e: Any, rows: int, K: int) -> None:
    """Set each row's sum of cells."""
    for r in range(rows):
        own = 0.0
        for k in range(K):
            own += e[r * K + k]
        total[r] = own


@jit
def widest(x: Any, rows: int, K: int) -> float:
    """Return the largest distance between cells of a row that are not −inf."""
    most, infinite = 0.0, x.dtype.type(np.inf)
    for r in range(rows):
        top, bottom = -infinite, infinite
        for k in range(K):
            own = x[r * K + k]
            top = larger(top, own)
            bottom = smaller(bottom, own if own > -infinite else infinite)
        most = max(most, np.float64(top) - np.float64(bottom))
    return most


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
    like_words: Any,
    extent: Any,
    sums: Any,
) -> None:
    """Do as :func:`~opinionpool.kernels.survey_rows.survey_rows`, of rows without gaps."""
    narrow, words_of_cell = like.itemsize == 4, like.itemsize // 4
    many = rows_of_tile(K)
    e, mass, clean = scratch(many * K, log_z), scratch(many, log_z), scratch(many * K, like)
    for low in range(first, last, many):
        rows = min(many, last - low)
        size = rows * K
        at = base + np.uint64(low * step)
        x = carray(pointer(at, like), size)
        top, bottom, check = extremes(x, size)
        top, bottom = np.float64(top), np.float64(bottom)
        faults = vetoes = 0
        if check != 0:
            nan, above, vetoes = special(x, size)
            faults, bottom = nan + above, lowest(x, size, top, clean)
        if faults > 0 or not 0 <= top - bottom < NEAR:
            survey_rows(
                low, low + rows, base, step, K, classes, soft, log_z, at_outcome, status, checksum,
                like, like_words, extent, sums,
            )  # fmt: skip
            continue
        if checksum:
            word_sums(sums, at, size * words_of_cell, low * K * words_of_cell)
        if narrow and vetoes == 0:
            near_exponentials_ahead(e, x, top, size, AHEAD)
        else:
            exponentials(e, x, top, size, narrow)
        row_sums(mass, e, rows, K)
        here = log_z[low : low + rows]
        for r in range(rows):
            here[r] = top + logarithm(mass[r])
        status[low : low + rows] = 0
        if vetoes > 0:
            for r in range(rows):
                if mass[r] == 0:
                    status[low + r], here[r] = IMPOSSIBLE, np.nan
                    vetoes -= K
            sums[2] += np.uint64(vetoes)
        extent[0], extent[1] = min(extent[0], bottom), max(extent[1], top)
        if top - bottom > extent[2]:
            # Rarely after the first tiles: a row's spread is at most that of its tile.
            extent[2] = max(extent[2], widest(x, rows, K))
        if soft.size:
            for r in range(rows):
                own = x[r * K : (r + 1) * K]
                at_outcome[low + r] = at_soft(own, soft[low + r], K, here[r])
        elif at_outcome.size:
            for r in range(rows):
                y = classes[low + r]
                at_outcome[low + r] = x[r * K + y] - here[r] if y >= 0 else 0.0
