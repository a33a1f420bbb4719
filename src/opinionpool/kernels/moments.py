"""Weighted products of models' deviations, summed in vectors: the Gram matrix of a curvature.

Design
------
``Σ_k p_k d_αk d_βk`` with ``d = x − h``, M × M sums, in blocks small enough for the registers: of
four models the ten of their lower triangle (of three the six), of four with two earlier ones eight.
Cells are read once per block from the first-level cache, centred on the way and never stored:
writing the centred cells of 8 models down first took 1.7 of the time (1,000 classes).

The sums of a lane are of cells' dtype and stay in memory between rows, until they hold some
hundred products: sums of 20 million in float32 made a Hessian wrong by 8e-3.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .jit import inlined, part
from .lanes import LANES, load, size_of, start_of, store, wide
from .reductions import total_of
from .sweeps import cells, four_of, three_of
from .vector import prefetch

#: Vectors that a lane may add up: as many products.
MOST_ADDED = 128


@part
def sums_of(m: int) -> int:
    """Return how many sums there are for M models, a multiple of four."""
    groups = m // 4
    return groups * 10 + groups * (groups - 1) * 8


@inlined
def deviations(like: Any, x: Any, h: Any, k: int, many: int) -> Any:
    """Return three or four models' cells less their means."""
    first = cells(like, x[0], k, many) - h[0]
    second = cells(like, x[1], k, many) - h[1]
    third = cells(like, x[2], k, many) - h[2]
    if len(x) == 3:
        return first, second, third
    return first, second, third, cells(like, x[3], k, many) - h[3]


@inlined
def by(p: Any, d: Any) -> Any:
    """Return three or four deviations times their weights."""
    if len(d) == 3:
        return p * d[0], p * d[1], p * d[2]
    return p * d[0], p * d[1], p * d[2], p * d[3]


@inlined
def eight_at(like: Any, start: Any, j: int) -> Any:
    """Return eight consecutive sums."""
    return (
        load(like, start, j),
        load(like, start, j + LANES),
        load(like, start, j + 2 * LANES),
        load(like, start, j + 3 * LANES),
        load(like, start, j + 4 * LANES),
        load(like, start, j + 5 * LANES),
        load(like, start, j + 6 * LANES),
        load(like, start, j + 7 * LANES),
    )


@inlined
def put_eight(sums: Any, j: int, s: Any) -> None:
    """Write eight consecutive sums back."""
    store(sums, j, s[0])
    store(sums, j + LANES, s[1])
    store(sums, j + 2 * LANES, s[2])
    store(sums, j + 3 * LANES, s[3])
    store(sums, j + 4 * LANES, s[4])
    store(sums, j + 5 * LANES, s[5])
    store(sums, j + 6 * LANES, s[6])
    store(sums, j + 7 * LANES, s[7])


@inlined
def corner_at(like: Any, start: Any, j: int, x: Any) -> Any:
    """Return the sums of three or four models with one another, six or ten."""
    s = eight_at(like, start, j)
    if len(x) == 3:
        return s[0], s[1], s[2], s[3], s[4], s[5]
    return (*s, load(like, start, j + 8 * LANES), load(like, start, j + 9 * LANES))


@inlined
def put_corner(sums: Any, j: int, s: Any) -> None:
    """Write six or ten consecutive sums back."""
    if len(s) == 10:
        put_eight(sums, j, s)
        store(sums, j + 8 * LANES, s[8])
        store(sums, j + 9 * LANES, s[9])
        return
    store(sums, j, s[0])
    store(sums, j + LANES, s[1])
    store(sums, j + 2 * LANES, s[2])
    store(sums, j + 3 * LANES, s[3])
    store(sums, j + 4 * LANES, s[4])
    store(sums, j + 5 * LANES, s[5])


@inlined
def plus_corner(s: Any, w: Any, d: Any) -> Any:
    """Add to the products 00, 10, 11, 20, 21, 22 of three models, 30, 31, 32, 33 of a fourth."""
    t = (
        s[0] + w[0] * d[0],
        s[1] + w[1] * d[0],
        s[2] + w[1] * d[1],
        s[3] + w[2] * d[0],
        s[4] + w[2] * d[1],
        s[5] + w[2] * d[2],
    )
    if len(d) == 3:
        return t
    return (
        *t,
        s[6] + w[3] * d[0],
        s[7] + w[3] * d[1],
        s[8] + w[3] * d[2],
        s[9] + w[3] * d[3],
    )


@inlined
def plus_pair(s: Any, w: Any, d: Any, e: Any) -> Any:
    """Add to the products of four models with two others."""
    return (
        s[0] + w[0] * d,
        s[1] + w[0] * e,
        s[2] + w[1] * d,
        s[3] + w[1] * e,
        s[4] + w[2] * d,
        s[5] + w[2] * e,
        s[6] + w[3] * d,
        s[7] + w[3] * e,
    )


@inlined
def within(sums: Any, j: int, p: Any, x: Any, h: Any, line: Any, n: int, like: Any) -> None:
    """Add the products of three or four models with one another; fetch from a line."""
    whole, weights = n - n % LANES, start_of(p)
    s = corner_at(like, start_of(sums), j, x)
    for k in range(0, whole, LANES):
        d = deviations(like, x, h, k, LANES)
        s = plus_corner(s, by(load(like, weights, k), d), d)
        prefetch(line + np.uint64(k * size_of(like)))
    if whole < n:
        d = deviations(like, x, h, whole, n - whole)
        s = plus_corner(s, by(load(like, weights, whole), d), d)
    put_corner(sums, j, s)


@inlined
def between(sums: Any, j: int, p: Any, x: Any, h: Any, y: Any, g: Any, n: int, like: Any) -> None:
    """Add the products of four models with two others to eight sums."""
    whole, weights, start = n - n % LANES, start_of(p), start_of(sums)
    s = eight_at(like, start, j)
    for k in range(0, whole, LANES):
        w = by(load(like, weights, k), deviations(like, x, h, k, LANES))
        d, e = load(like, y[0], k) - g[0], load(like, y[1], k) - g[1]
        s = plus_pair(s, w, d, e)
    if whole < n:
        many = n - whole
        w = by(load(like, weights, whole), deviations(like, x, h, whole, many))
        d, e = cells(like, y[0], whole, many) - g[0], cells(like, y[1], whole, many) - g[1]
        s = plus_pair(s, w, d, e)
    put_eight(sums, j, s)


@inlined
def add_products(sums: Any, p: Any, at: Any, to: Any, h: Any, m: int, n: int, like: Any) -> None:
    """Add ``Σ_k p_k d_αk d_βk`` of M models to the sums; behind n the weights are 0."""
    j = 0
    for i in range(0, len(at), 4):
        x, own = four_of(at, i), four_of(h, i)
        if m - i < 4:  # what fills M up has no products
            within(sums, j, p, three_of(at, i), three_of(h, i), to[i + 1], n, like)
        else:
            within(sums, j, p, x, own, to[i + 1], n, like)
        j += 10 * LANES
        for b in range(0, i, 2):
            between(sums, j, p, x, own, (at[b], at[b + 1]), (h[b], h[b + 1]), n, like)
            j += 8 * LANES


@inlined
def merge(into: Any, by: float, sums: Any, times: float, like: Any) -> None:
    """Set ``into`` to ``by into + times sums``, and begin the sums anew.

    Where ``by`` is 0 it may hold anything.
    """
    if by == 0:
        into[:] = 0
    of_into, of_sums = start_of(into), start_of(sums)
    kept, factor = like.dtype.type(by), like.dtype.type(times)
    for j in range(0, len(sums), LANES):
        s = load(like, of_sums, j)
        store(into, j, load(like, of_into, j) * kept + s * factor)
        store(sums, j, s - s)


@inlined
def emptied(sums: Any, start: Any, j: int, like: Any) -> float:
    """Return a sum over its lanes and begin it anew."""
    s = load(like, start, j)
    store(sums, j, s - s)
    total: float = total_of(wide(s))
    return total


@part
def collect(total: Any, sums: Any, like: Any) -> None:
    """Add the sums to the lower triangle of ``total`` (M, M), and begin them anew."""
    j, start = 0, start_of(sums)
    for i in range(0, len(total), 4):
        for a in range(i, i + 4):
            for b in range(i, a + 1):
                total[a, b] += emptied(sums, start, j, like)
                j += LANES
        for b in range(0, i, 2):
            for a in range(i, i + 4):
                total[a, b] += emptied(sums, start, j, like)
                total[a, b + 1] += emptied(sums, start, j + LANES, like)
                j += 2 * LANES
