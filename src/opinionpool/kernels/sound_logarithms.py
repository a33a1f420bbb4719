"""Compiled logarithms of probabilities that are looked at before, while they are in cache."""

from __future__ import annotations

from typing import Any

import numpy as np

from .average_shares import turned_mass
from .average_sound import is_sound, looked_at
from .jit import jit, part
from .lanes import LANES, borrowed, keep, size_of, spread, start_of
from .log_cells import log_cells
from .reductions import highest_of, larger_of, lowest_of, smaller_of, total_of
from .scratch import scratch
from .survey_narrow import repeated
from .survey_rows import fetch, reach_of
from .turned import filled_up

#: Bytes that are added up before their logarithms are taken: they stay in the first-level cache.
AT_WORK = 1 << 14
#: Classes up to which rows are turned into columns to be added up.
NARROW = 64


@part
def sound_rows(base: Any, step: int, n: int, K: int, bounds: Any, like: Any) -> bool:
    """Whether n rows of one model are distributions."""
    ahead = reach_of(K, step, like)
    for r in range(n):
        if not is_sound(looked_at(base + np.uint64(r * step), K, ahead, like), bounds):
            return False
    return True


@part
def sound_narrow(
    at: Any, n: int, K: int, bounds: Any, columns: Any, copies: Any, v: Any, ahead: int, like: Any
) -> bool:
    """Do as :func:`sound_rows`, of rows side by side, sixteen at a time."""
    least, size = spread(like, like.dtype.type(-np.inf)), K * size_of(like)
    extremes, check = (least, least * like.dtype.type(-1)), spread(like, like.dtype.type(0))
    lightest, heaviest = spread(v, np.inf), spread(v, 0.0)
    for r in range(0, n, LANES):
        row = at + np.uint64(r * size)
        fetch(row + np.uint64(ahead), LANES * size)
        if r + LANES > n:  # behind the last row nothing may be read
            repeated(copies, row, n - r, K, like)
            row = start_of(copies)
        (mass, own), extremes = turned_mass(columns, row, K, extremes, like)
        lightest, heaviest = smaller_of(lightest, mass), larger_of(heaviest, mass)
        check = check + own
    light, heavy = lowest_of(lightest), highest_of(heaviest)
    high, low = np.float64(highest_of(extremes[0])), np.float64(lowest_of(extremes[1]))
    # That of the lightest row stands for all: where a cell is not finite the check tells.
    finite: bool = total_of(check) == 0 and bounds[0] <= light
    return finite and is_sound((heavy, high, low), bounds)


@jit
def sound_logarithms(
    n: int, K: int, base: Any, step: Any, bounds: Any, out: Any, v: Any, like: Any
) -> bool:
    """Write the logarithms of n rows of every model; return whether all are distributions.

    ``out`` are addresses of rows side by side. Where a row is no distribution it ends. Rows that
    lie side by side themselves, and are short, are looked at sixteen at a time.
    """
    row, m = K * size_of(like), len(base)
    short = K <= NARROW
    long = LANES * filled_up(K) if short else 0
    owners = scratch(long, like), scratch(2 * long, like)
    columns, copies = borrowed(owners[0]), borrowed(owners[1])
    base, step, v, like = borrowed(base), borrowed(step), borrowed(v), borrowed(like)
    step_of_rows, sound = LANES if short else 1, True
    many = max(1, AT_WORK // row // step_of_rows) * step_of_rows
    for a in range(m):
        for first in range(0, n, many):
            rows, at = min(many, n - first), base[a] + np.uint64(first * step[a])
            if short and step[a] == row:
                sound = sound_narrow(at, rows, K, bounds, columns, copies, v, many * row, like)
            else:
                sound = sound_rows(at, step[a], rows, K, bounds, like)
            if not sound:
                break
            log_cells(rows, K, at, step[a], out[a] + np.uint64(first * row), row, 0.0, like)
        if not sound:
            break
    keep(owners)
    return sound
