"""Compiled kernels of the log rule for few classes: several rows at a time.

Design
------
A row of ten classes is shorter than a vector register, so here the *rows* lie along the vectors.
A tile of rows is pooled flat, as one long run of cells; the pooled logits, a small part of what
is read, are turned into columns (class after class, 16 rows at a time, in registers), whose
maxima, exponentials and sums are then loops over classes. Back among the cells, the gradient is a
product with the flat residuals ``u (p − y)``, which sum to zero in float64 row by row, so that
constants per row cancel. For the curvature the models' cells are turned into columns too.

Sums exponentiate in the precision of the cells, which takes 0.85 of the loss's time: float32
moves the loss of a row by some 1e-7, of either sign. Masses, and what is divided by them, are
float64 all the same, so that probabilities sum to one as float64 do.

Tiles are whole groups of 16 rows: the last one of a block is copied to where zeros follow. All
sweeps ask for lines of the next tile meanwhile (:mod:`~opinionpool.kernels.sweeps`), as evenly as
they can: lines asked for in one sweep, and none in the next, leave the memory idle.

Tiles that hold anything not finite are left to ``rows`` and ``pooled_rows``, which know how. So are
rows that some model left out, whose status says so beforehand: their tile is copied, zeros in their
place, since what an absent model's cells hold may be anything. Whoever calls sees to all of these:
called from here the others would have to be compiled wherever these kernels are, and mostly for
nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .columns import (
    address_of,
    centred,
    emptied,
    exponentiate,
    favourites,
    filled,
    less_outcomes,
    masses_of,
    outcomes,
    probabilities,
    quartered,
    rescaled_masses,
)
from .gram import add_gram
from .jit import jit, part
from .lanes import LANES, borrowed, keep, load, rounded, start_of, store
from .moments import collect, sums_of
from .powers import logarithm
from .scratch import scratch, scratch_rows, table
from .status import LEFT
from .sweeps import add_two_means, emitted, pooled
from .tiles import locate_rows, padded
from .turned import filled_up, turn_back

#: Cells of a tile, about. Fewer cost calls, more leave the memory idle for longer: 16 models of 10
#: classes, one thread, loss and gradient 1.2 of the time with 320, the loss alone 1.1 with 1024.
CELLS = 704
#: Rows of a tile at most, for K = 2.
MOST_ROWS = 256
#: Vectors of products that a lane adds up in the dtype of the cells: see ``moments``.
MOST_ADDED = 256


@part
def rows_of_tile(K: int) -> int:
    """Return how many rows a tile has: whole vectors of them."""
    return min(MOST_ROWS, max(16, (CELLS // K + 8) // 16 * 16))


@part
def located(
    at: Any,
    to: Any,
    base: Any,
    step: Any,
    low: int,
    rows: int,
    last: int,
    zeros: Any,
    copies: Any,
    status: Any,
    K: int,
    like: Any,
) -> int:
    """Set the addresses of a tile's cells and of the next tile's; return its rows, filled up.

    The last tile is copied, whose rows may be too few and behind which nothing may be read, and
    one with rows that are LEFT, whose cells are zeros in the copy.
    """
    locate_rows(to, base, step, min(low + rows, last - 1), zeros)
    locate_rows(at, base, step, low, zeros)
    left = 0
    for r in range(low, low + rows):
        left += status[r] == LEFT
    if left > 0 or low + rows == last:
        filled(at, copies, rows * K, like)
    if left > 0:
        emptied(copies, status, low, rows, K)
    return (rows + LANES - 1) // LANES * LANES


@jit
def apply_narrow(
    first: int,
    last: int,
    base: Any,
    step: Any,
    v: Any,
    out: Any,
    log: bool,
    past_caches: bool,
    status: Any,
    like: Any,
) -> None:
    """Do as :func:`~opinionpool.kernels.pooled_rows.apply_rows`, every model present.

    The status of rows that are to be left to it is LEFT, of others 0. It becomes LEFT of tiles that
    are left to it, too.
    """
    K, m = out.shape[1], padded(len(base))
    many = rows_of_tile(K)
    width = filled_up(K)
    owners = (
        (scratch(many * K, v), scratch(many * width, v), scratch_rows(3, many, v), scratch(m, v)),
        (scratch(many * K, like), scratch(many * width, like), scratch_rows(m, many * K, like)),
        (table(2, m, base), out.reshape(out.size), scratch(many * K, like), table(4, m // 4, base)),
    )
    z, e, of_rows = borrowed(owners[0][0]), borrowed(owners[0][1]), borrowed(owners[0][2])
    row_v, cells, p = borrowed(owners[0][3]), borrowed(owners[1][0]), borrowed(owners[1][1])
    copies, addresses = borrowed(owners[1][2]), borrowed(owners[2][0])
    flat, zeros = borrowed(owners[2][1]), borrowed(owners[2][2])
    tops, mass, unused = of_rows[0], of_rows[1], of_rows[2]
    at, to, quarters = addresses[0], addresses[1], borrowed(owners[2][3])
    base, step, like, status = borrowed(base), borrowed(step), borrowed(like), borrowed(status)
    for a in range(len(v)):
        row_v[a] = v[a]
    for low in range(first, last, many):
        rows = min(many, last - low)
        full = located(at, to, base, step, low, rows, last, zeros, copies, status, K, like)
        quartered(quarters, to)
        pooled(z, at, to, row_v, (m // 4, 0), full * K, like)
        if favourites(e, z, tops, unused, unused, unused, full, K, quarters[2], like) != 0:
            status[low : low + rows] = LEFT
            continue
        exponentiate(e, mass, e, tops, full, K, not log, quarters[3], like)
        for r in range(full):
            tops[r] = tops[r] + logarithm(mass[r]) if log else 1.0 / mass[r]
        for r in range(0, full, LANES):
            begin = r * width
            by = load(v, start_of(tops), r)
            for k in range(begin, begin + LANES * K, LANES):
                own = load(v, start_of(e), k)
                store(p, k, rounded(like, own - by if log else own * by))
            turn_back(like, address_of(cells, r * K), address_of(p, begin), K)
        emitted(flat[low * K : (low + rows) * K], cells, 1.0, 0.0, rows * K, past_caches, like)
    keep(owners)


@jit
def sum_narrow(
    first: int,
    last: int,
    base: Any,
    step: Any,
    v: Any,
    classes: Any,
    soft: Any,
    u: Any,
    K: int,
    order: int,
    by: float,
    status: Any,
    like: Any,
    gradient: Any,
    reach: Any,
    curvature: Any,
) -> tuple[float, float]:
    """Do as :func:`~opinionpool.kernels.rows.sum_rows`, every model present.

    The status of rows that are to be left to it is LEFT, and their weight 0; of others the status
    is 0. It becomes LEFT of tiles that are left to it, too.
    """
    m, many = padded(len(base)), rows_of_tile(K)
    width = filled_up(K)
    bent = many if order == 2 else 0
    owners = (
        (scratch(many * K, v), scratch(many * width, v), scratch_rows(7, many, v), scratch(m, v)),
        (scratch(many * K, v), scratch(many * K, v), table(4, m, base), table(4, m // 4, base)),
        (scratch(many * K, like), scratch_rows(m, many * K, like), scratch(LANES * width, like)),
        (scratch(many * width, like), scratch(bent * width, like)),
        (scratch_rows(m, bent * K, like), scratch(LANES * sums_of(m), like)),
    )
    flat, z, of_rows = borrowed(owners[0][0]), borrowed(owners[0][1]), borrowed(owners[0][2])
    row_v, residual, to_best = (
        borrowed(owners[0][3]),
        borrowed(owners[1][0]),
        borrowed(owners[1][1]),
    )
    addresses, quarters = borrowed(owners[1][2]), borrowed(owners[1][3])
    zeros, copies, columns = (
        borrowed(owners[2][0]),
        borrowed(owners[2][1]),
        borrowed(owners[2][2]),
    )
    p, root = borrowed(owners[3][0]), borrowed(owners[3][1])
    c, sums = borrowed(owners[4][0]), borrowed(owners[4][1])
    tops, mass, best = of_rows[0], of_rows[1], of_rows[2]
    y, z_y, weight, other = of_rows[3], of_rows[4], of_rows[5], of_rows[6]
    at, to, once, of_c = addresses[0], addresses[1], addresses[2], addresses[3]
    base, step, classes, soft = borrowed(base), borrowed(step), borrowed(classes), borrowed(soft)
    u, status, like = borrowed(u), borrowed(status), borrowed(like)
    gradient, reach, curvature = borrowed(gradient), borrowed(reach), borrowed(curvature)
    for a in range(m):
        of_c[a] = start_of(c) + np.uint64(a * c.strides[0])
    for a in range(len(v)):
        row_v[a] = v[a]
    added = 0
    # What pooling, means and centring do not ask for.
    third = quarters[2 if order == 0 else 1][: m // 4 * (order < 2)]
    fourth = quarters[3][: m // 4 * (order < 2)]
    value = rescaled = 0.0
    for low in range(first, last, many):
        rows = min(many, last - low)
        full = located(at, to, base, step, low, rows, last, zeros, copies, status, K, like)
        quartered(quarters, to)
        for a in range(m):  # one of four, or two
            once[a] = to[a] if order == 0 else to[a - a % 4]
        outcomes(y, weight, classes, soft, u, low, rows, full)
        pooled(flat, at, once, row_v, (m // 4, 0), full * K, like)
        if favourites(z, flat, tops, best, z_y, y, full, K, third, like) != 0:
            status[low : low + rows] = LEFT
            continue
        for r in range(rows if soft.size else 0):
            z_y[r] = 0.0
            for k in range(K):
                z_y[r] += soft[low + r, k] * flat[r * K + k]
        if by > 0:
            rescaled_masses(other, z, tops, by, full, K, like)
            for r in range(full):
                rescaled += weight[r] * (by * (tops[r] - z_y[r]) + logarithm(other[r]))
        exponentiate(p, mass, z, tops, full, K, True, fourth, like)
        for r in range(full):
            value += weight[r] * ((tops[r] - z_y[r]) + logarithm(mass[r]))
        if order == 0:
            continue
        for r in range(full):
            mass[r] = 1.0 / mass[r]
        masses_of(z, p, mass, weight, full, K, like)
        for r in range(0, full, LANES):
            turn_back(v, address_of(residual, r * K), address_of(z, r * width), K)
        less_outcomes(residual, to_best, best, weight, y, soft, low, rows, K)
        add_two_means(gradient, reach, residual, to_best, at, to, full * K, like)
        if order == 2:
            probabilities(p, root, mass, weight, full, K, like)
            centred(c, at, to, p, root, columns, full, K, like)
            add_gram(sums, of_c, full * K, like)
            added += full * K // LANES
            if added > MOST_ADDED - many * K // LANES:
                collect(curvature, sums, like)
                added = 0
    if added > 0:
        collect(curvature, sums, like)
    keep(owners)
    return value, rescaled
