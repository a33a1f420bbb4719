"""Compiled kernels of the survey, row by row; see :mod:`~opinionpool.kernels.survey`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .jit import inlined, jit, part
from .lanes import LANES, borrowed, keep, load, load_first, places, spread, start_of, wide, words
from .passes import exponential_sum
from .powers import near_exponential32
from .reductions import highest_of, keep_first, larger_of, lowest_of, smaller_of, total_of
from .scratch import scratch
from .status import IMPOSSIBLE, INFINITE, MISSING, PARTLY_NAN
from .tiles import TILE
from .vector import prefetch, view

#: How far cells may be below a maximum for their exponentials to be normal float32 numbers
#: (ln 2**-126 is −87.3): where that is known nothing need be compared.
NEAR32 = 87.0
#: Bytes between what is computed and what is fetched meanwhile: four rows of 1,000 float32 take
#: 0.9 of the time that one row takes, and no longer than sixteen.
AHEAD = 1 << 14


@inlined
def fetch_four(line: Any) -> None:
    """Ask for four lines of memory."""
    prefetch(line)
    prefetch(line + np.uint64(64))
    prefetch(line + np.uint64(128))
    prefetch(line + np.uint64(192))


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
            fetch_four(later + np.uint64(k * like.itemsize))
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


@inlined
def word_sums(sums: Any, address: Any, n: int, start: int) -> None:
    """Add ``Σ word`` and ``Σ word · (2 place + 1)``, places counted from ``start``, mod 2**64.

    Nothing is multiplied but at the end: after J vectors the running sums S of a lane add up to
    ``T = Σ_j (J − j) word_j``.
    """
    running = words(address, 0, 0)
    added, vectors = running, 0
    for k in range(0, n - LANES + 1, LANES):
        running = running + words(address, k, LANES)
        added = added + running
        vectors += 1
    if n % LANES:
        running = running + words(address, n - n % LANES, n % LANES)
        added = added + running
        vectors += 1
    plain = total_of(running)
    of_lanes = total_of(running * (places() * np.uint64(2) + np.uint64(1)))
    before = np.uint64(vectors) * plain - total_of(added)  # Σ_j j word_j
    sums[0] += plain
    sums[1] += of_lanes + np.uint64(2 * LANES) * before + np.uint64(2 * start) * plain


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
    row = K * like.itemsize
    return AHEAD if row >= AHEAD else step * (AHEAD // row)


@part
def fetch(at: Any, size: int) -> None:
    """Ask for some bytes of memory, to be read soon."""
    for byte in range(0, size, 64):
        prefetch(at + np.uint64(byte))


@inlined
def near_exponentials32(address: Any, k: int, top: Any, like: Any) -> Any:
    """Return ``exp(x − top)`` of 16 float32 cells, all of them in :data:`NEAR32` of ``top``."""
    return near_exponential32(load(like, address, k) - top)


@inlined
def near_sum_ahead(address: Any, top: Any, n: int, ahead: int, like: Any) -> float:
    """Return ``Σ_k exp(x_k − top)`` of float32 cells, all of them in :data:`NEAR32` of ``top``.

    Each is good to 1e-7; four at a time are added in float32. Meanwhile what comes ``ahead``
    bytes later is fetched.
    """
    total, four = wide(spread(like, like.dtype.type(0))), 4 * LANES
    later = address + np.uint64(ahead)
    for k in range(0, n - four + 1, four):
        a = near_exponentials32(address, k, top, like)
        b = near_exponentials32(address, k + LANES, top, like)
        c = near_exponentials32(address, k + 2 * LANES, top, like)
        d = near_exponentials32(address, k + 3 * LANES, top, like)
        total = total + wide((a + b) + (c + d))
        fetch_four(later + np.uint64(4 * k))
    for k in range(n - n % four, n - n % LANES, LANES):
        total = total + wide(near_exponentials32(address, k, top, like))
    if n % LANES:
        k, many = n - n % LANES, n % LANES
        rest = near_exponential32(load_first(like, address, k, many) - top)
        total = total + wide(keep_first(rest, many, like.dtype.type(0)))
    mass: float = total_of(total)
    return mass


@part
def at_soft(x: Any, q: Any, n: int, log_z: float) -> float:
    """Return ``Σ_k q_k x_k − log_z Σ_k q_k`` with 0·(−inf) = 0; 0 where q is."""
    total = mass = 0.0
    for k in range(n):
        total += q[k] * (x[k] if q[k] > 0 else 0.0)
        mass += q[k]
    return total - log_z * mass if mass > 0 else 0.0


@jit
def survey_rows(
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
    """Survey rows: fill arrays, widen ``extent`` (low, high, spread), add to ``sums``.

    Where ``log_z`` is empty nothing is exponentiated.
    ``sums`` are those of :func:`word_sums`, places from the row ``0``, and the −inf of good rows.
    """
    narrow, words_of_cell, wanted = like.itemsize == 4, like.itemsize // 4, log_z.size > 0
    owner = scratch(min(K, TILE), like)
    ahead, clean, like, status = (
        reach_of(K, step, like),
        borrowed(owner),
        borrowed(like),
        borrowed(status),
    )
    classes, soft, log_z, at_outcome = (
        borrowed(classes),
        borrowed(soft),
        borrowed(log_z),
        borrowed(at_outcome),
    )
    extent, sums = borrowed(extent), borrowed(sums)
    for n in range(first, last):
        at = base + np.uint64(n * step)
        x = view(at, like, K)
        nan = above = below = 0
        high, low, top, mass = -np.inf, np.inf, -np.inf, 0.0
        for start in range(0, K, TILE):
            size = min(TILE, K - start)
            cells = x[start : start + size]
            begin = at + np.uint64(start * like.itemsize)
            # Where nothing is exponentiated meanwhile, what comes later is fetched here.
            tile_top, tile_bottom, check = extremes_of(begin, size, 0 if wanted else ahead, like)
            tile_top, tile_bottom = np.float64(tile_top), np.float64(tile_bottom)
            if check != 0:
                counts = special(cells, size)
                nan, above, below = nan + counts[0], above + counts[1], below + counts[2]
                tile_bottom = lowest(cells, size, tile_top, clean)
            if checksum:
                place = (n * K + start) * words_of_cell
                word_sums(sums, begin, size * words_of_cell, place)
            high, low = max(high, tile_top), min(low, tile_bottom)
            if nan + above > 0 or tile_top == -np.inf or not wanted:
                continue
            # Until the row's maximum is known, each tile is relative to its own.
            if narrow and below == 0 and tile_top - tile_bottom < NEAR32:
                own = near_sum_ahead(begin, cells.dtype.type(tile_top), size, ahead, like)
            else:
                own = exponential_sum(cells, tile_top, size, narrow)
            if mass == 0:
                top, mass = tile_top, own
            elif tile_top > top:
                top, mass = tile_top, mass * math.exp(top - tile_top) + own
            else:
                mass += own * math.exp(tile_top - top)
        state = 0
        if nan > 0:
            state = MISSING if nan == K else PARTLY_NAN
        elif above > 0:
            state = INFINITE
        elif below == K:
            state = IMPOSSIBLE
        status[n] = state
        if wanted:
            log_z[n] = top + math.log(mass) if state == 0 else np.nan
        if state == 0:
            sums[2] += np.uint64(below)
            extent[0], extent[1] = min(extent[0], low), max(extent[1], high)
            extent[2] = max(extent[2], high - low)
        if soft.size:
            at_outcome[n] = at_soft(x, soft[n], K, log_z[n])
        elif at_outcome.size:
            at_outcome[n] = x[classes[n]] - log_z[n] if classes[n] >= 0 else 0.0
    keep(owner)


@jit
def tally(
    log_z: Any, at_outcome: Any, status: Any, weight: Any, low: float, high: float
) -> tuple[int, float, float]:
    """Return the numbers of :class:`~opinionpool.kernels.survey_plain.Tally`."""
    like, lost, counted = 0, 0.0, 0.0
    for n in range(len(status)):
        like += 1 if status[n] == 0 and low <= log_z[n] <= high else 0
    for n in range(len(weight)):
        u = weight[n] if status[n] == 0 else 0.0
        lost -= u * at_outcome[n] if u > 0 else 0.0
        counted += u
    return like, lost, counted
