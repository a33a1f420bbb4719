"""Passes over a tile of short rows, sixteen of them at a time: class after class.

``z``, ``e`` and the like hold groups of 16 rows, of each group K columns of 16 cells, filled up
to a multiple of four columns (:mod:`~opinionpool.kernels.turned`); ``begin`` is where a group
begins. Other arrays have a number for each row. ``to`` are the addresses of the models' next
tiles, and ``lines`` those of some of the models, asked for meanwhile: see
:mod:`~opinionpool.kernels.sweeps`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .jit import inlined, part
from .lanes import LANES, load, rounded, size_of, spread, start_of, store, wide
from .powers import brief, exponential, exponential32
from .reductions import any_beyond, larger_of, total_of
from .status import LEFT
from .turned import apart, filled_up, root_of, turn, where_above, where_same
from .vector import prefetch, view

#: Means up to which their rounding does not matter: it is some 1e-7 of them, and products of
#: deviations are wrong by its square.
LARGE = 64.0


@inlined
def address_of(x: Any, k: int) -> Any:
    """Return the address of an item."""
    return start_of(x) + np.uint64(k * size_of(x))


@part
def quartered(quarters: Any, to: Any) -> None:
    """List the addresses of every fourth model, from the first on, from the second on, ..."""
    for a in range(quarters.shape[1]):
        for i in range(4):
            quarters[i, a] = to[4 * a + i]


@inlined
def fetch_lines(lines: Any, offset: int) -> None:
    """Ask for a line of each of some models."""
    for j in range(len(lines)):
        prefetch(lines[j] + np.uint64(offset))


@part
def filled(at: Any, into: Any, n: int, like: Any) -> None:
    """Copy n cells of every model to scratch memory, zeros behind, and point ``at`` there."""
    for a in range(len(at)):
        into[a] = 0
        x = view(at[a], like, n)
        for k in range(n):
            into[a, k] = x[k]
        at[a] = start_of(into[a])


@part
def emptied(copies: Any, status: Any, low: int, rows: int, K: int) -> None:
    """Put zeros in place of a copied tile's rows that are LEFT."""
    for r in range(rows):
        if status[low + r] == LEFT:
            for a in range(len(copies)):
                copies[a, r * K : (r + 1) * K] = 0


@part
def favourites(
    z: Any,
    flat: Any,
    tops: Any,
    best: Any,
    z_y: Any,
    y: Any,
    rows: int,
    K: int,
    lines: Any,
    like: Any,
) -> float:
    """Turn pooled logits into columns, find each row's maximum, and where; and its cell at y.

    Returns 0 if all of them are finite, else NaN. ``best`` and ``y`` are classes as float64.
    """
    check = spread(z, 0.0)
    ys, width = start_of(y), LANES * filled_up(K)
    for r in range(0, rows, LANES):
        begin = r // LANES * width
        turn(z, address_of(z, begin), address_of(flat, r * K), K)
        classes, at = load(y, ys, r), address_of(z, begin)
        top = load(z, at, 0)
        check = check + top * 0.0
        favourite, own = spread(z, 0.0), top
        for k in range(1, K):
            here = load(z, at, LANES * k)
            check = check + here * 0.0
            favourite = where_above(here, top, np.float64(k), favourite)
            top = larger_of(top, here)
            own = where_same(classes, np.float64(k), here, own)
            fetch_lines(lines, (r * K + LANES * k) * size_of(like))
        store(tops, r, top)
        store(best, r, favourite)
        store(z_y, r, own)
    found: float = total_of(check)
    return found


@part
def exponentiate(
    e: Any, mass: Any, z: Any, tops: Any, rows: int, K: int, wanted: bool, lines: Any, like: Any
) -> None:
    """Set the rows' sums of ``exp(z − top)``, float64, and e to these if they are wanted.

    In the dtype of ``e``, which may be ``z``; in float64, to what float32 cells are worth.
    """
    width = LANES * filled_up(K)
    for r in range(0, rows, LANES):
        begin = r // LANES * width
        at, top, total = address_of(z, begin), load(tops, start_of(tops), r), spread(z, 0.0)
        for k in range(K):
            t = rounded(e, load(z, at, LANES * k) - top)
            own = exponential32(t) if size_of(e) == 4 else exponential(t, size_of(like) == 4)
            total = total + wide(own)
            if wanted:
                store(e, begin + LANES * k, own)
            fetch_lines(lines, (r * K + LANES * k) * size_of(like))
        store(mass, r, total)


@part
def rescaled_masses(mass: Any, z: Any, tops: Any, by: float, rows: int, K: int, like: Any) -> None:
    """Set the rows' ``Σ_k exp(by (z_k − top))``; see ``means.rescaled_mass``."""
    width = LANES * filled_up(K)
    for r in range(0, rows, LANES):
        at, top = address_of(z, r // LANES * width), load(tops, start_of(tops), r)
        total = spread(z, 0.0)
        for k in range(K):
            own = brief(rounded(like, (load(z, at, LANES * k) - top) * by))
            total = total + wide(own)
        store(mass, r, total)


@part
def outcomes(
    y: Any, weight: Any, classes: Any, soft: Any, u: Any, low: int, rows: int, full: int
) -> None:
    """Copy a tile's row weights and classes, −1 where outcomes are soft; no weight behind.

    Those of the next tile are asked for. Through views that begin at the tile: numba allows for
    negative indices, and LLVM then gathers row by row, which took 7 % of all.
    """
    own = view(address_of(classes, low), classes, rows)
    of_rows = view(address_of(u, low), u, rows)
    for r in range(rows):
        weight[r], y[r] = of_rows[r], -1.0 if soft.size else np.float64(own[r])
    for r in range(rows, full):
        weight[r], y[r] = 0.0, -1.0
    for r in range(rows, 2 * rows, 8):
        prefetch(address_of(classes, low + r))
        prefetch(address_of(u, low + r))


@part
def less_outcomes(
    residual: Any,
    to_best: Any,
    best: Any,
    weight: Any,
    y: Any,
    soft: Any,
    low: int,
    rows: int,
    K: int,
) -> None:
    """Take ``u y`` off ``u p``, and off ``u`` at each row's best class.

    Places are unsigned: numba allows for negative ones, which took half as long again. What
    happened in a row without weight may be anything.
    """
    to_best[: rows * K] = 0.0
    for r in range(rows):
        if weight[r] == 0:
            continue
        place = np.uint64(r * K)
        to_best[place + np.uint64(best[r])] += weight[r]
        if soft.size:
            for k in range(K):
                own = weight[r] * soft[low + r, k]
                residual[r * K + k] -= own
                to_best[r * K + k] -= own
        else:
            place += np.uint64(y[r])
            residual[place] -= weight[r]
            to_best[place] -= weight[r]


@part
def masses_of(
    weighted: Any, e: Any, inverse: Any, weight: Any, rows: int, K: int, like: Any
) -> None:
    """Set ``u p``, float64: of every row they sum to u, whatever the precision of exponentials."""
    width = LANES * filled_up(K)
    for r in range(0, rows, LANES):
        begin = r // LANES * width
        at = address_of(e, begin)
        by = load(inverse, start_of(inverse), r) * load(inverse, start_of(weight), r)
        for k in range(0, LANES * K, LANES):
            store(weighted, begin + k, wide(load(like, at, k)) * by)


@part
def probabilities(
    p: Any, root: Any, inverse: Any, weight: Any, rows: int, K: int, like: Any
) -> None:
    """Set p in place of exponentials, and √(u p), both in the dtype of the cells."""
    width = LANES * filled_up(K)
    for r in range(0, rows, LANES):
        begin = r // LANES * width
        at = address_of(p, begin)
        by = rounded(like, load(inverse, start_of(inverse), r))
        u = rounded(like, load(inverse, start_of(weight), r))
        for k in range(0, LANES * K, LANES):
            own = load(like, at, k) * by
            store(p, begin + k, own)
            store(root, begin + k, root_of(own * u))


@inlined
def fetch_half(at: Any, size: int) -> None:
    """Ask for every second line."""
    for byte in range(0, size, 128):
        prefetch(at + np.uint64(byte))


@inlined
def mean_of(like: Any, weights: Any, at: Any, shift: Any, K: int, line: Any) -> Any:
    """Return ``Σ p (x − shift)`` of 16 rows: four classes at a time, none waiting for another.

    Meanwhile every second of as many lines is asked for, a few at a time.
    """
    mean, whole = spread(like, like.dtype.type(0)), LANES * (K - K % 4)
    for k in range(0, whole, 4 * LANES):
        k1, k2, k3 = k + LANES, k + 2 * LANES, k + 3 * LANES
        fetch_half(line + np.uint64(k * size_of(like)), 4 * LANES * size_of(like))
        first = load(like, weights, k) * apart(load(like, at, k), shift)
        second = load(like, weights, k1) * apart(load(like, at, k1), shift)
        first = first + load(like, weights, k2) * apart(load(like, at, k2), shift)
        second = second + load(like, weights, k3) * apart(load(like, at, k3), shift)
        mean = mean + (first + second)
    for k in range(whole, LANES * K, LANES):
        fetch_half(line + np.uint64(k * size_of(like)), LANES * size_of(like))
        mean = mean + load(like, weights, k) * apart(load(like, at, k), shift)
    return mean


@part
def centred(
    c: Any, at: Any, to: Any, p: Any, root: Any, columns: Any, rows: int, K: int, like: Any
) -> None:
    """Set every model's ``(x − Σ p x) √(u p)``, groups of 16 rows after one another.

    In the dtype of the cells. Of means beyond :data:`LARGE` what rounding did to them is taken off
    too: the mean of what is left.
    """
    width, turned = LANES * filled_up(K), start_of(columns)
    none, row_of_c = spread(like, like.dtype.type(0)), c.strides[0] // size_of(c)
    large = like.dtype.type(LARGE)
    for r in range(0, rows, LANES):
        begin = r // LANES * width
        weights, roots = address_of(p, begin), address_of(root, begin)
        for a in range(len(at)):
            turn(like, turned, at[a] + np.uint64(r * K * size_of(like)), K)
            # Of every second model; the lines between those that the one before it asked for.
            line = to[a - a % 2 + 1] + np.uint64(r * K * size_of(like) + 64 * (a % 2))
            mean = mean_of(like, weights, turned, none, K, line)
            rest = none
            if any_beyond(mean, large):
                rest = mean_of(like, weights, turned, mean, K, line)
            place = a * row_of_c + r * K
            for k in range(0, LANES * K, LANES):
                own = apart(apart(load(like, turned, k), mean), rest)
                store(c, place + k, own * load(like, roots, k))
