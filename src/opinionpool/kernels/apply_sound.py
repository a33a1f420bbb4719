"""Compiled pooling of probabilities by the log rule, that are looked at meanwhile.

Some rows at a time, of all models: while they are in the second-level cache they are added up,
their logarithms are taken, and those are pooled as logits are.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .average_shares import turned_mass
from .average_sound import is_sound, looked_at
from .jit import jit, part
from .lanes import LANES, borrowed, keep, size_of, spread, start_of
from .log_cells import log_cells
from .narrow import apply_narrow
from .pooled_rows import apply_rows
from .reductions import highest_of, larger_of, lowest_of, smaller_of, total_of
from .scratch import scratch, scratch_rows, table
from .status import LEFT
from .survey_narrow import repeated
from .survey_rows import fetch, reach_of
from .turned import filled_up

#: Bytes of all models' rows that are at work: with their logarithms they fit a second-level cache.
#: (8 models of 1,000 classes and 16 of 10: from a half to four times as many took as long.)
AT_WORK = 1 << 18


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
def apply_sound(
    base: Any, step: Any, v: Any, bounds: Any, out: Any, narrow: bool, past_caches: bool, like: Any
) -> bool:
    """Write ``∝ Π_α x_α^{v_α}``; return whether all rows are distributions without a 0.

    Where one is not, it ends.
    """
    (n, K), m = out.shape, len(base)
    many = max(1, AT_WORK // (m * K * size_of(like)))
    if narrow:
        many = max(LANES, many // LANES * LANES)
    owners = (
        (scratch_rows(m, many * K, like), scratch(LANES * filled_up(K) if narrow else 0, like)),
        (scratch(2 * LANES * K if narrow else 0, like), table(2, m, base), table(1, m, step)),
        (np.zeros((0, 0)), np.zeros(many, np.uint8)),
    )
    logs, columns, copies = borrowed(owners[0][0]), borrowed(owners[0][1]), borrowed(owners[1][0])
    places, width = borrowed(owners[1][1]), borrowed(owners[1][2])
    present, status = owners[2]
    base, step, v, out, like = (
        borrowed(base),
        borrowed(step),
        borrowed(v),
        borrowed(out),
        borrowed(like),
    )
    row = K * size_of(like)
    for a in range(m):
        places[0, a], width[0, a] = start_of(logs[a]), row
    sound = True
    for first in range(0, n, many):
        rows = min(many, n - first)
        for a in range(m):
            at = base[a] + np.uint64(first * step[a])
            if narrow:
                ahead = many * row
                good = sound_narrow(at, rows, K, bounds, columns, copies, v, ahead, like)
            else:
                good = sound_rows(at, step[a], rows, K, bounds, like)
            sound = sound and good
            log_cells(rows, K, at, step[a], start_of(logs[a]), row, 0.0, like)
        if not sound:
            break
        into, states = out[first : first + rows], status[:rows]
        states[:] = 0 if narrow else LEFT
        if narrow:
            apply_narrow(0, rows, places[0], width[0], v, into, False, past_caches, states, like)
            for r in range(rows):
                sound = sound and states[r] != LEFT
        else:
            mended = apply_rows(
                *(0, rows, places[0], width[0], v, present, into),
                *(False, past_caches, states, like),
            )
            sound = mended == 0
        if not sound:
            break
    keep(owners)
    return sound
