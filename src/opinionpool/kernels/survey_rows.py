"""Compiled kernels of the survey, row by row; see :mod:`~opinionpool.kernels.survey`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .checksum import checksum_of
from .jit import inlined, jit, part
from .lanes import LANES, borrowed, keep, load, load_first, size_of, start_of
from .near_sums import LN2, fetch_four, is_near, near_sum, shift_of
from .passes import exponential_sum
from .powers import WAITING
from .reductions import highest_of, keep_first, larger_of, lowest_of, smaller_of, total_of
from .scratch import scratch, scratch_rows
from .status import IMPOSSIBLE, INFINITE, MISSING, PARTLY_NAN
from .survey_notes import happened_in, settle
from .vector import prefetch, view

#: Bytes of a row that are gone over as often as need be before the next ones are: they then come
#: from the first-level cache.
SPAN_BYTES = 1 << 14
#: Bytes between what is computed and what is fetched meanwhile: four rows of 1,000 float32 take
#: 0.9 of the time that one row takes, and no longer than sixteen.
AHEAD = 1 << 14


@inlined
def extremes_of(address: Any, n: int, ahead: int, like: Any) -> tuple[float, float, float]:
    """Return the largest and smallest cell, and 0 if every cell is finite, else NaN.

    Unless ``ahead`` is 0, what comes so many bytes later is fetched meanwhile.
    """
    zero, four = like.dtype.type(0), 4 * LANES
    first = load_first(like, address, 0, min(n, LANES))
    top = keep_first(first, min(n, LANES), like.dtype.type(-np.inf))
    bottom = keep_first(first, min(n, LANES), like.dtype.type(np.inf))
    check, later = first * zero, address + np.uint64(ahead)
    for k in range(0, n - four + 1, four):  # four at a time: an operation waits for the last
        a, b = load(like, address, k), load(like, address, k + LANES)
        c, d = load(like, address, k + 2 * LANES), load(like, address, k + 3 * LANES)
        top = larger_of(top, larger_of(larger_of(a, b), larger_of(c, d)))
        bottom = smaller_of(bottom, smaller_of(smaller_of(a, b), smaller_of(c, d)))
        check = check + ((a * zero + b * zero) + (c * zero + d * zero))
        if ahead > 0:
            fetch_four(later + np.uint64(k * size_of(like)))
    for k in range(n - n % four, n - LANES + 1, LANES):
        x = load(like, address, k)
        top, bottom, check = larger_of(top, x), smaller_of(bottom, x), check + x * zero
    if n > LANES and n % LANES:
        # The last whole vector again, as far as it goes.
        x = load(like, address, n - LANES)
        top, bottom, check = larger_of(top, x), smaller_of(bottom, x), check + x * zero
    return highest_of(top), lowest_of(bottom), total_of(check)


@part
def extremes(x: Any, n: int) -> tuple[float, float, float]:
    """Return the largest and smallest of some cells; see :func:`extremes_of`."""
    return extremes_of(start_of(x), n, 0, x)


@part
def special(x: Any, n: int) -> tuple[int, int, int]:
    """Return how many cells are NaN, +inf and −inf.

    Counted in the dtype of the cells, which keeps to vectors of one width: n is some 1,000.
    """
    zero, one, infinite = x.dtype.type(0), x.dtype.type(1), x.dtype.type(np.inf)
    nan = above = below = zero
    for k in range(n):
        own = x[k]
        nan += one if own != own else zero
        above += one if own == infinite else zero
        below += one if own == -infinite else zero
    return int(nan), int(above), int(below)


@part
def lowest(x: Any, n: int, top: float, clean: Any) -> float:
    """Return the smallest cell that is not −inf, of cells of which ``top`` is the largest.

    Through a copy: LLVM does not vectorise the minimum of a choice.
    """
    if top == -np.inf:
        return np.inf
    for k in range(n):
        clean[k] = x[k] if x[k] > -np.inf else top
    _, bottom, _ = extremes(clean, n)
    return np.float64(bottom)


@part
def reach_of(K: int, step: int, like: Any) -> int:
    """Return how many bytes ahead to fetch: about ``AHEAD``, and the same place of a row."""
    row = K * size_of(like)
    return AHEAD if row >= AHEAD else step * (AHEAD // row)


@part
def fetch(at: Any, size: int) -> None:
    """Ask for some bytes of memory, to be read soon."""
    for byte in range(0, size, 64):
        prefetch(at + np.uint64(byte))


@part
def with_care(
    address: Any, n: int, wanted: bool, ahead: int, clean: Any, like: Any
) -> tuple[tuple[int, int, int], tuple[float, float], tuple[float, float]]:
    """Look at cells that may be anything.

    Returns how many are NaN, +inf and −inf; the largest, and the smallest but for −inf; and a
    reference r with ``Σ_k exp(x_k − r)``, 0 unless it is ``wanted`` and there is one.
    """
    # Where nothing is exponentiated meanwhile, what comes later is fetched here.
    top, bottom, check = extremes_of(address, n, 0 if wanted else ahead, like)
    high, low = float(top), float(bottom)
    cells, counts = view(address, like, n), (0, 0, 0)
    if check != 0:
        counts = special(cells, n)
        low = lowest(cells, n, high, clean)
    nan, above, below = counts
    if nan + above > 0 or below == n or not wanted:
        return counts, (high, low), (-np.inf, 0.0)
    shift = shift_of(high, low)
    if size_of(like) == 4 and below == 0 and is_near(high, low, shift):
        _, _, mass = near_sum(address, n, shift, ahead, like)
        return counts, (high, low), (shift * LN2, mass)
    return counts, (high, low), (high, exponential_sum(cells, high, n, size_of(like) == 4))


@jit
def survey_rows(
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
    """Survey rows: fill arrays unless they are empty, and add to ``found`` and ``sums``.

    Parameters
    ----------
    checksum
        Whether one is wanted.
    outcomes
        Classes, probabilities of classes, and row weights, each perhaps empty.
    near
        Smallest and largest ``log_z`` that are counted.
    wanted
        Whether anything is to be exponentiated.
    place
        Of the first row's first word of 32 bits in the whole array.
    found
        Smallest and largest cell, largest distance in a row, rows ``near``, loss, weight.
    sums
        The checksum, and the −inf cells of good rows.
    """
    narrow, words_of_cell = size_of(like) == 4, size_of(like) // 4
    span = SPAN_BYTES // size_of(like)
    owner, of_rows = scratch(min(K, span), like), scratch_rows(4, WAITING, found)
    ahead, clean, notes = reach_of(K, step, like), borrowed(owner), borrowed(of_rows)
    like, status = borrowed(like), borrowed(status)
    classes, soft, weight = borrowed(outcomes[0]), borrowed(outcomes[1]), borrowed(outcomes[2])
    log_z, at_outcome = borrowed(log_z), borrowed(at_outcome)
    found, sums = borrowed(found), borrowed(sums)
    shift, hopeful = 0.0, narrow and wanted
    noted = first  # row of the first note
    for n in range(first, last):
        at = base + np.uint64(n * step)
        nan = above = below = 0
        high, low, top, mass = -np.inf, np.inf, -np.inf, 0.0
        for start in range(0, K, span):
            size, begin = min(span, K - start), at + np.uint64(start * size_of(like))
            tile_high, tile_low, own = -np.inf, np.inf, np.nan
            if hopeful:
                x_high, x_low, own = near_sum(begin, size, shift, ahead, like)
                tile_high, tile_low = np.float64(x_high), np.float64(x_low)
            reference = shift * LN2
            if math.isnan(own) or not is_near(tile_high, tile_low, shift):
                counts, extent, summed = with_care(begin, size, wanted, ahead, clean, like)
                nan, above, below = nan + counts[0], above + counts[1], below + counts[2]
                tile_high, tile_low = extent
                reference, own = summed
            if checksum:
                words = size * words_of_cell
                sums[0] += checksum_of(begin, words, place + (n * K + start) * words_of_cell)
            high, low = max(high, tile_high), min(low, tile_low)
            if mass == 0:
                top, mass = reference, own
            elif reference > top:
                top, mass = reference, mass * math.exp(top - reference) + own
            elif own > 0:
                mass += own * math.exp(reference - top)
        state = 0
        if nan > 0:
            state = MISSING if nan == K else PARTLY_NAN
        elif above > 0:
            state = INFINITE
        elif below == K:
            state = IMPOSSIBLE
        status[n] = state
        if state == 0:
            sums[1] += np.uint64(below)
            found[0], found[1] = min(found[0], low), max(found[1], high)
            found[2] = max(found[2], high - low)
            # As the row before was: whoever has constants of his own in each is not tried in vain.
            hopeful = narrow and wanted and below == 0 and is_near(high, low, shift)
            shift = shift_of(high, low)
        r = n - noted
        sound = wanted and state == 0
        notes[0, r], notes[1, r] = mass if sound else 1.0, top if sound else np.nan
        notes[2, r], notes[3, r] = happened_in(view(at, like, K), classes, soft, n, K)
        if r + 1 == WAITING or n + 1 == last:
            here = slice(noted, n + 1)
            u, z, p = weight[here], log_z[here], at_outcome[here]
            settle(found, notes, notes[2], u, status[here], near, z, p)
            noted = n + 1
    keep((owner, of_rows))
