"""Compiled kernels of the log rule for few classes: several rows at a time.

Design
------
A row of ten classes is shorter than a vector register, so here the *rows* lie along the vectors.
A tile of rows is pooled flat, as one long run of cells; the pooled logits, a small part of what
is read, are turned into columns (class after class, ``transposed``), whose maxima, exponentials
and sums are then those of sixteen rows at once. Back among the cells, the gradient is a product
with the flat residuals ``u (p − y)``, which sum to zero in float64 row by row, so that constants
per row cancel. For the curvature the models' cells are turned into columns too, and centred.

Tiles that hold anything not finite, rows that some model left out and rows that are not
adjacent in memory are left to ``rows``, which knows how.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .jit import inlined, jit
from .lanes import LANES, borrowed, keep, load, rounded, spread, start_of, store, wide
from .moments import MOST_ADDED, add_products, collect, sums_of
from .passes import highest
from .pooled_rows import apply_rows
from .powers import exponential, logarithm
from .reductions import larger_of, less_two, where_is
from .rows import sum_rows
from .sweeps import add_two_means, emitted, pooled
from .tiles import locate_rows, padded, scratch, scratch_rows
from .transposed import to_columns, to_rows

#: Cells of a tile: see ``tiles.TILE``.
CELLS = 1024
#: Rows of a tile at most, for K = 2.
MOST_ROWS = 256


@jit
def rows_of_tile(K: int) -> int:
    """Return how many rows a tile has: whole vectors of them."""
    return min(MOST_ROWS, max(16, CELLS // K // 16 * 16))


@jit
def exponentiate(
    e: Any, tops: Any, mass: Any, best: Any, rows: int, K: int, stride: int, like: Any
) -> None:
    """Turn columns of logits into ``exp(z − top)``; set each row's top, its class and the sum."""
    start = start_of(e)
    for r in range(0, rows, LANES):
        top = load(e, start, r)
        for k in range(1, K):
            top = larger_of(top, load(e, start, k * stride + r))
        first, total = spread(e, 0.0), spread(e, 0.0)
        for k in range(K - 1, -1, -1):
            z = load(e, start, k * stride + r)
            first = where_is(z, top, np.float64(k), first)
            p = exponential(z - top, like.itemsize == 4)
            store(e, k * stride + r, p)
            total = total + p
        store(tops, r, top)
        store(best, r, first)
        store(mass, r, total)


@jit
def scale_columns(out: Any, e: Any, factor: Any, rows: int, K: int, stride: int) -> None:
    """Set columns ``out = factor e``, a factor for each row, in the dtype of ``out``."""
    of_e, of_factor = start_of(e), start_of(factor)
    for r in range(0, rows, LANES):
        by = load(factor, of_factor, r)
        for k in range(K):
            store(out, k * stride + r, rounded(out, load(e, of_e, k * stride + r) * by))


@jit
def log_partition(tops: Any, mass: Any, rows: int) -> None:
    """Turn maxima into log partition functions."""
    for r in range(rows):
        tops[r] += logarithm(mass[r])


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
    """Do as :func:`~opinionpool.kernels.pooled_rows.apply_rows`, every model present."""
    K, m = out.shape[1], len(base)
    many, m4 = rows_of_tile(K), padded(m)
    owners = (
        (scratch(many * K, v), scratch(many * K, v), scratch_rows(3, many, v), np.zeros(m4)),
        (scratch(many * K, like), scratch(many * K, like), scratch(many * K, like)),
        np.zeros((2, m4), np.uint64),
    )
    z, e, of_rows = borrowed(owners[0][0]), borrowed(owners[0][1]), borrowed(owners[0][2])
    row_v, zeros = borrowed(owners[0][3]), borrowed(owners[1][0])
    columns, cells, addresses = borrowed(owners[1][1]), borrowed(owners[1][2]), borrowed(owners[2])
    tops, mass, best, at, to = of_rows[0], of_rows[1], of_rows[2], addresses[0], addresses[1]
    base, step, like = borrowed(base), borrowed(step), borrowed(like)
    flat, nobody = borrowed(out.reshape(out.size)), np.zeros((0, 0))
    row_v[:m] = v
    for low in range(first, last, many):
        rows = min(many, last - low)
        locate_rows(at, base, step, low, zeros)
        locate_rows(to, base, step, low + many, zeros)
        pooled(z, at, to, row_v, rows * K, like)
        _, check = highest(z, rows * K)
        if check != 0:
            apply_rows(low, low + rows, base, step, v, nobody, out, log, past_caches, status, like)
            continue
        status[low : low + rows] = 0
        to_columns(e, start_of(z), rows, K, many, z)
        exponentiate(e, tops, mass, best, rows, K, many, like)
        here = flat[low * K : (low + rows) * K]
        if log:
            log_partition(tops, mass, rows)
            for r in range(rows):
                for k in range(K):
                    z[r * K + k] -= tops[r]
            emitted(here, z, 1.0, 0.0, rows * K, past_caches, like)
        else:
            for r in range(rows):
                mass[r] = 1.0 / mass[r]
            scale_columns(columns, e, mass, rows, K, many)
            to_rows(cells, columns, rows, K, many)
            emitted(here, cells, 1.0, 0.0, rows * K, past_caches, like)
    keep(owners)


@inlined
def mean_of_rows(x: Any, p: Any, r: int, K: int, stride: int) -> Any:
    """Return 16 rows' means ``Σ_k p x`` in float64."""
    of_x, of_p, mean = start_of(x), start_of(p), spread(p, 0.0)
    for k in range(K):
        place = k * stride + r
        mean = mean + load(p, of_p, place) * wide(load(x, of_x, place))
    return mean


@jit
def centre(x: Any, p: Any, rows: int, K: int, stride: int) -> None:
    """Subtract from columns x the means of their rows, as two numbers of the dtype of x."""
    start = start_of(x)
    for r in range(0, rows, LANES):
        mean = mean_of_rows(x, p, r, K, stride)
        high = rounded(x, mean)
        low = rounded(x, mean - wide(high))
        for k in range(K):
            place = k * stride + r
            store(x, place, less_two(load(x, start, place), high, low))


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
    status: Any,
    like: Any,
    gradient: Any,
    reach: Any,
    curvature: Any,
) -> float:
    """Do as :func:`~opinionpool.kernels.rows.sum_rows`, every model present."""
    m, many = len(base), rows_of_tile(K)
    m4, size = padded(m), many * K
    owners = (
        (scratch(size, v), scratch(size, v), scratch(size, v), scratch(size, v)),
        (scratch_rows(4, many, v), np.zeros(m4), np.zeros((2, m4), np.uint64)),
        (scratch(size, like), scratch(size, like), scratch_rows(m4, size, like)),
        (scratch(m4, like), scratch(sums_of(m4) * LANES, like), np.zeros(m4, np.uint64)),
    )
    z, e = borrowed(owners[0][0]), borrowed(owners[0][1])
    residual, to_best = borrowed(owners[0][2]), borrowed(owners[0][3])
    of_rows, row_v, addresses = (
        borrowed(owners[1][0]),
        borrowed(owners[1][1]),
        borrowed(owners[1][2]),
    )
    zeros, weights, columns = borrowed(owners[2][0]), borrowed(owners[2][1]), borrowed(owners[2][2])
    no_shift, sums, of_columns = (
        borrowed(owners[3][0]),
        borrowed(owners[3][1]),
        borrowed(owners[3][2]),
    )
    tops, mass, best, z_y = of_rows[0], of_rows[1], of_rows[2], of_rows[3]
    at, to = addresses[0], addresses[1]
    base, step, classes, soft = borrowed(base), borrowed(step), borrowed(classes), borrowed(soft)
    u, status, like, nobody = borrowed(u), borrowed(status), borrowed(like), np.zeros((0, 0))
    gradient, reach, curvature = borrowed(gradient), borrowed(reach), borrowed(curvature)
    row_v[:m] = v
    for a in range(m4):
        of_columns[a] = start_of(columns[a])
    value, added = 0.0, 0
    for low in range(first, last, many):
        rows = min(many, last - low)
        locate_rows(at, base, step, low, zeros)
        locate_rows(to, base, step, low + many, zeros)
        pooled(z, at, to, row_v, rows * K, like)
        _, check = highest(z, rows * K)
        if check != 0:
            value += sum_rows(
                low, low + rows, base, step, v, nobody, classes, soft, u, K, order,
                status, like, gradient, reach, curvature,
            )  # fmt: skip
            continue
        status[low : low + rows] = 0
        to_columns(e, start_of(z), rows, K, many, z)
        exponentiate(e, tops, mass, best, rows, K, many, like)
        weight, happened = u[low : low + rows], classes[low : low + rows]
        if soft.size:
            for r in range(rows):
                z_y[r] = 0.0
                for k in range(K):
                    z_y[r] += soft[low + r, k] * z[r * K + k]
        else:
            for r in range(rows):
                z_y[r] = z[r * K + happened[r]]
        for r in range(rows):
            value += weight[r] * ((tops[r] - z_y[r]) + logarithm(mass[r]))
        if order == 0:
            continue
        for r in range(rows):
            mass[r] = 1.0 / mass[r]
        if order == 2:
            # Rows behind the last have no weight.
            z_y[:] = 0.0
            z_y[:rows] = weight
        scale_columns(e, e, mass, rows, K, many)
        to_rows(residual, e, rows, K, many)
        against_outcomes(residual, to_best, best, soft[low:], happened, weight, rows, K)
        add_two_means(gradient, reach, residual, to_best, at, to, rows * K, like)
        if order == 1:
            continue
        for a in range(m):
            to_columns(columns[a], at[a], rows, K, many, like)
            centre(columns[a], e, rows, K, many)
        scale_columns(weights, e, z_y, rows, K, many)
        full = (rows + LANES - 1) // LANES * LANES
        for k in range(0, size if full < many else 0, many):
            weights[k + full : k + many] = 0
        add_products(sums, weights, of_columns, no_shift, size, like)
        added += (size + LANES - 1) // LANES
        if added >= MOST_ADDED:
            collect(curvature, sums, like)
            added = 0
    if added:
        collect(curvature, sums, like)
    keep(owners)
    return value


@jit
def against_outcomes(
    residual: Any, to_best: Any, best: Any, soft: Any, happened: Any, weight: Any, rows: int, K: int
) -> None:
    """Turn flat probabilities into ``u (p − y)``, and set ``u (k − y)`` for the best class k."""
    to_best[: rows * K] = 0.0
    for r in range(rows):
        own, other, u = residual[r * K : (r + 1) * K], to_best[r * K : (r + 1) * K], weight[r]
        for k in range(K):
            own[k] *= u
        if soft.size:
            for k in range(K):
                own[k] -= u * soft[r, k]
                other[k] -= u * soft[r, k]
        else:
            own[happened[r]] -= u
            other[happened[r]] -= u
        other[int(best[r])] += u
