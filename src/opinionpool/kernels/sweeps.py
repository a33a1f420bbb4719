"""Sweeps over one tile of cells in vectors, which fetch what is to be read next meanwhile.

Design
------
A core that computes on a tile in its caches leaves the memory idle, and one that waits for memory
computes nothing. So every sweep asks for lines of the *next* tile, a few after every 16 columns:
of every four models the sum asks for two, the means for one, the exponentials for one (for two
where there are no means); of every three the sum asks for one. All at once would fill the queue of
requests and stall: 8 models × 50,000 × 1,000 float32, loss and gradient, took 1.21 of the time of
reading like this, 1.44 with all requests in the first sweep, and 1.35 without any.

Registers hold the sums of a few models at a time, eight, four or three (``tiles.groups_of``).
``at`` holds the addresses of M models' cells, M filled up to a multiple of four with addresses of
zeros (and weights of 0), and ``to`` those of their next tiles; ``like`` is an empty array of the
cells' dtype. Sums are float64. What is left of a tile after whole vectors is masked.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .jit import inlined, part
from .lanes import LANES, load, load_first, rounded, size_of, spread, start_of, store, stream, wide
from .powers import exponential
from .reductions import highest_of, keep_first, larger_of, total_of, where_equal
from .vector import prefetch


@inlined
def cells(like: Any, address: Any, k: int, many: int) -> Any:
    """Return the 16 cells from k on, or the first ``many`` of them and zeros."""
    return load(like, address, k) if many >= LANES else load_first(like, address, k, many)


@inlined
def four_of(x: Any, a: int) -> Any:
    """Return four consecutive items as a tuple, which registers can hold."""
    return x[a], x[a + 1], x[a + 2], x[a + 3]


@inlined
def three_of(x: Any, a: int) -> Any:
    """Return three consecutive items."""
    return x[a], x[a + 1], x[a + 2]


@inlined
def eight_of(x: Any, a: int) -> Any:
    """Return eight consecutive items."""
    return x[a], x[a + 1], x[a + 2], x[a + 3], x[a + 4], x[a + 5], x[a + 6], x[a + 7]


@inlined
def fetch(lines: Any, k: int, like: Any) -> None:
    """Ask for what is beside column k of one, two or four tiles."""
    offset = np.uint64(k * size_of(like))
    prefetch(lines[0] + offset)
    if len(lines) > 1:
        prefetch(lines[1] + offset)
    if len(lines) > 2:
        prefetch(lines[2] + offset)
        prefetch(lines[3] + offset)


@inlined
def weighted(like: Any, x: Any, v: Any, k: int, many: int) -> Any:
    """Return some models' part of 16 pooled logits."""
    s = v[0] * wide(cells(like, x[0], k, many)) + v[1] * wide(cells(like, x[1], k, many))
    if len(x) == 3:
        return s + v[2] * wide(cells(like, x[2], k, many))
    s = s + (v[2] * wide(cells(like, x[2], k, many)) + v[3] * wide(cells(like, x[3], k, many)))
    if len(x) == 4:
        return s
    t = v[4] * wide(cells(like, x[4], k, many)) + v[5] * wide(cells(like, x[5], k, many))
    t = t + (v[6] * wide(cells(like, x[6], k, many)) + v[7] * wide(cells(like, x[7], k, many)))
    return s + t


@inlined
def pooled(z: Any, at: Any, to: Any, v: Any, groups: tuple[int, int], n: int, like: Any) -> float:
    """Set ``z[:n] = Σ_α v_α x_α``, some models at a time; −inf behind.

    Returns the largest, which means something only where nothing is NaN.
    """
    fours, threes = groups
    a, top = 0, -np.inf
    while a + 8 <= 4 * fours:
        lines = to[a], to[a + 1], to[a + 4], to[a + 5]
        top = added(z, a == 0, eight_of(at, a), eight_of(v, a), lines, n, like)
        a += 8
    if a < 4 * fours:
        top = added(z, a == 0, four_of(at, a), four_of(v, a), (to[a], to[a + 1]), n, like)
        a += 4
    for _ in range(threes):
        top = added(z, a == 0, three_of(at, a), three_of(v, a), (to[a],), n, like)
        a += 3
    return top


@inlined
def added(z: Any, anew: bool, x: Any, v: Any, lines: Any, n: int, like: Any) -> float:
    """Add some models' cells to ``z``, or begin it ``anew`` with them; return its largest."""
    start, whole, top = start_of(z), n - n % LANES, spread(z, -np.inf)
    for k in range(0, whole, LANES):
        s = weighted(like, x, v, k, LANES)
        s = s if anew else s + load(z, start, k)
        store(z, k, s)
        top = larger_of(top, s)
        fetch(lines, k, like)
    if whole < n:
        many = n - whole
        s = weighted(like, x, v, whole, many)
        s = keep_first(s if anew else s + load(z, start, whole), many, -np.inf)
        store(z, whole, s)
        top = larger_of(top, s)
        fetch(lines, whole, like)
    highest: float = highest_of(top)
    return highest


@part
def exponentiated(e: Any, z: Any, top: float, n: int, lines: Any, like: Any) -> tuple[float, float]:
    """Set ``e[:n] = exp(z − top)``, 0 behind where z is −inf; return the sum, and a check.

    The check is 0 if all of z is finite, else NaN. ``e`` may be ``z``; ``lines`` are four
    addresses to fetch from.
    """
    total, check, start, whole = spread(z, 0.0), spread(z, 0.0), start_of(z), n - n % LANES
    for k in range(0, whole, LANES):
        t = load(z, start, k) - top
        check = check + t * 0.0
        own = exponential(t, size_of(like) == 4)
        store(e, k, own)
        total = total + own
        fetch(lines, k, like)
    if whole < n:
        t = load(z, start, whole) - top
        check = check + keep_first(t, n - whole, 0.0) * 0.0
        own = exponential(t, size_of(like) == 4)
        store(e, whole, own)
        total = total + own
        fetch(lines, whole, like)
    return total_of(total), total_of(check)


@inlined
def four_cells(like: Any, x: Any, k: int, many: int) -> Any:
    """Return four models' cells as float64."""
    return (
        wide(cells(like, x[0], k, many)),
        wide(cells(like, x[1], k, many)),
        wide(cells(like, x[2], k, many)),
        wide(cells(like, x[3], k, many)),
    )


@inlined
def plus(s: Any, w: Any, x: Any) -> Any:
    """Return the sums of three or four models with ``w x`` added."""
    if len(s) == 3:
        return s[0] + w * x[0], s[1] + w * x[1], s[2] + w * x[2]
    return s[0] + w * x[0], s[1] + w * x[1], s[2] + w * x[2], s[3] + w * x[3]


@inlined
def put(total: Any, a: int, s: Any) -> None:
    """Add the sums of three or four models, over their lanes, to totals."""
    total[a] += total_of(wide(s[0]))
    total[a + 1] += total_of(wide(s[1]))
    total[a + 2] += total_of(wide(s[2]))
    if len(s) == 4:
        total[a + 3] += total_of(wide(s[3]))


@part
def add_two_means(
    total: Any, other: Any, e: Any, d: Any, at: Any, to: Any, n: int, like: Any
) -> None:
    """Add ``Σ_k e_k x_αk`` to ``total`` and ``Σ_k d_k x_αk`` to ``other``, reading cells once."""
    of_e, of_d, whole = start_of(e), start_of(d), n - n % LANES
    for a in range(0, len(at), 4):
        x, line, zero = four_of(at, a), to[a + 2], spread(e, 0.0)
        s = t = (zero, zero, zero, zero)
        for k in range(0, whole, LANES):
            c = four_cells(like, x, k, LANES)
            s, t = plus(s, load(e, of_e, k), c), plus(t, load(d, of_d, k), c)
            prefetch(line + np.uint64(k * size_of(like)))
        if whole < n:
            c = four_cells(like, x, whole, n - whole)
            s, t = plus(s, load(e, of_e, whole), c), plus(t, load(d, of_d, whole), c)
            prefetch(line + np.uint64(whole * size_of(like)))
        put(total, a, s)
        put(other, a, t)


@inlined
def first_at(z: Any, n: int, top: float) -> int:
    """Return the first index of a value that is there; 16 numbers behind may be read."""
    start, k = start_of(z), 0
    lane: int = where_equal(load(z, start, k), top)
    while lane == LANES and k + LANES < n:
        k += LANES
        lane = where_equal(load(z, start, k), top)
    return k + lane


@part
def emitted(
    out: Any, x: Any, factor: float, addend: float, n: int, past_caches: bool, like: Any
) -> None:
    """Set ``out[:n] = factor x + addend``, whole lines past the caches if asked to.

    An ordinary store first reads the line it will overwrite, which doubles the cost of writing
    (two threads, 8 × 20,000 × 1,000 float32: 0.88 of the time without).
    """
    target, start, head = start_of(out), start_of(x), 0
    if past_caches:
        head = min(
            n, int((np.uint64(64) - target % np.uint64(64)) % np.uint64(64)) // size_of(like)
        )
    whole = head + (n - head) // LANES * LANES
    for k in range(head):
        out[k] = x[k] * factor + addend
    for k in range(head, whole, LANES):
        own = rounded(like, wide(load(x, start, k)) * factor + addend)
        if past_caches:
            stream(target + np.uint64(k * size_of(like)), own)
        else:
            store(out, k, own)
    for k in range(whole, n):
        out[k] = x[k] * factor + addend
