"""Compiled kernels of the log rule for few classes: several rows at a time.

Design
------
A row of ten classes is shorter than a vector register, so here the *rows* lie along the vectors.
A tile of rows is pooled flat, as one long run of cells; the pooled logits, a small part of what
is read, are turned into columns (class after class), whose maxima, exponentials and sums are
then loops over rows. Back among the cells, the gradient is a product with the flat residuals
``u (p − y)``, which sum to zero in float64 row by row, so that constants per row cancel. For the
curvature the models' cells are turned into columns too and centred as in ``rows``.

Tiles that hold anything not finite, rows that some model left out and rows that are not
adjacent in memory are left to ``rows``, which knows how.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .jit import carray, jit
from .passes import emit, highest, weighted_sum
from .pooled_rows import apply_rows
from .powers import exponential, logarithm
from .products import dots, gram
from .rows import sum_rows
from .tiles import locate_rows, padded, scratch, scratch_rows
from .vector import larger, less_two, pointer

#: Cells of a tile: see ``tiles.TILE``.
CELLS = 1024
#: Rows of a tile at most, for K = 2.
MOST_ROWS = 256


@jit
def rows_of_tile(K: int) -> int:
    """Return how many rows a tile has: whole vectors of them."""
    return min(MOST_ROWS, max(16, CELLS // K // 16 * 16))


@jit
def to_columns(out: Any, x: Any, rows: int, K: int) -> None:
    """Set ``out[k, r] = x[r K + k]``."""
    for r in range(rows):
        for k in range(K):
            out[k, r] = x[r * K + k]


@jit
def favourites(tops: Any, best: Any, z: Any, rows: int, K: int) -> None:
    """Set each row's maximum over columns of logits and the first class that has it."""
    for r in range(rows):
        tops[r] = z[0, r]
    for k in range(1, K):
        own = z[k]
        for r in range(rows):
            tops[r] = larger(tops[r], own[r])
    for k in range(K - 1, -1, -1):
        own = z[k]
        for r in range(rows):
            best[r] = k if own[r] == tops[r] else best[r]


@jit
def exponentiate(e: Any, mass: Any, tops: Any, rows: int, K: int, like: Any) -> None:
    """Turn columns of logits into ``exp(z − top)`` and set their sums."""
    narrow = like.itemsize == 4  # known to the compiler, which a parameter would not be
    for r in range(rows):
        mass[r] = 0.0
    for k in range(K):
        own = e[k]
        for r in range(rows):
            p = exponential(own[r] - tops[r], narrow)
            own[r] = p
            mass[r] += p


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
    many = rows_of_tile(K)
    z, e = scratch(many * K, v), scratch(many * K, v).reshape((K, many))
    zeros, cells = scratch(many * K, like), scratch(many * K, like)
    flat, nobody = out.reshape(out.size), np.zeros((0, 0))
    tops, mass, best = scratch(many, v), scratch(many, v), scratch(many, step)
    at = np.empty(padded(m), np.uint64)
    row_v = np.zeros(padded(m))
    row_v[:m] = v
    for low in range(first, last, many):
        rows = min(many, last - low)
        locate_rows(at, base, step, low, zeros)
        weighted_sum(z, at, row_v, rows * K, like)
        _, check = highest(z, rows * K)
        if check != 0:
            apply_rows(low, low + rows, base, step, v, nobody, out, log, past_caches, status, like)
            continue
        status[low : low + rows] = 0
        to_columns(e, z, rows, K)
        favourites(tops, best, e, rows, K)
        exponentiate(e, mass, tops, rows, K, like)
        if log:
            log_partition(tops, mass, rows)
            for r in range(rows):
                for k in range(K):
                    cells[r * K + k] = z[r * K + k] - tops[r]
        else:
            for r in range(rows):
                mass[r] = 1.0 / mass[r]
            for r in range(rows):
                for k in range(K):
                    cells[r * K + k] = e[k, r] * mass[r]
        emit(flat[low * K : (low + rows) * K], cells, rows * K, past_caches)


@jit
def means(high: Any, low: Any, mean: Any, columns: Any, e: Any, rows: int, K: int) -> None:
    """Set each row's mean ``Σ_k p x``, as the sum of two numbers of the dtype of the cells."""
    for r in range(rows):
        mean[r] = 0.0
    for k in range(K):
        x, p = columns[k], e[k]
        for r in range(rows):
            mean[r] += p[r] * x[r]
    for r in range(rows):
        high[r] = mean[r]
    for r in range(rows):
        low[r] = mean[r] - high[r]


@jit
def centre(out: Any, columns: Any, high: Any, low: Any, root: Any, rows: int, K: int) -> None:
    """Set ``out[k rows + r] = (x − mean) root`` for columns of x."""
    for k in range(K):
        x, by, to = columns[k], root[k], out[k * rows : (k + 1) * rows]
        for r in range(rows):
            to[r] = less_two(x[r], high[r], low[r]) * by[r]


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
    m = len(base)
    many = rows_of_tile(K)
    z, e = scratch(many * K, v), scratch(many * K, v).reshape((K, many))
    columns = scratch(many * K, like).reshape((K, many))
    root = scratch(many * K, like).reshape((K, many))
    residual, to_best = scratch(many * K, v), scratch(many * K, v)
    tops, mass, mean, z_y = scratch(many, v), scratch(many, v), scratch(many, v), scratch(many, v)
    best, upper, lower = scratch(many, step), scratch(many, like), scratch(many, like)
    c = scratch_rows(padded(m), many * K, like)
    zeros, nobody = scratch(many * K, like), np.zeros((0, 0))
    at = np.empty(padded(m), np.uint64)
    row_v = np.zeros(padded(m))
    row_v[:m] = v
    value = 0.0
    for low in range(first, last, many):
        rows = min(many, last - low)
        locate_rows(at, base, step, low, zeros)
        weighted_sum(z, at, row_v, rows * K, like)
        _, check = highest(z, rows * K)
        if check != 0:
            value += sum_rows(
                low, low + rows, base, step, v, nobody, classes, soft, u, K, order,
                status, like, gradient, reach, curvature,
            )  # fmt: skip
            continue
        status[low : low + rows] = 0
        to_columns(e, z, rows, K)
        favourites(tops, best, e, rows, K)
        exponentiate(e, mass, tops, rows, K, like)
        weight = u[low : low + rows]
        # −u y, first alone and then plus the pool.
        residual[: rows * K] = 0.0
        if soft.size:
            for r in range(rows):
                z_y[r] = 0.0
                for k in range(K):
                    z_y[r] += soft[low + r, k] * z[r * K + k]
                    residual[r * K + k] = -weight[r] * soft[low + r, k]
        else:
            for r in range(rows):
                z_y[r] = z[r * K + classes[low + r]]
                residual[r * K + classes[low + r]] = -weight[r]
        for r in range(rows):
            value += weight[r] * ((tops[r] - z_y[r]) + logarithm(mass[r]))
        if order == 0:
            continue
        to_best[: rows * K] = residual[: rows * K]
        for r in range(rows):
            to_best[r * K + best[r]] += weight[r]
            mass[r] = 1.0 / mass[r]
        for k in range(K):
            p = e[k]
            for r in range(rows):
                p[r] *= mass[r]
        for r in range(rows):
            for k in range(K):
                residual[r * K + k] += weight[r] * e[k, r]
        dots(gradient, residual, at, rows * K, like)
        dots(reach, to_best, at, rows * K, like)
        if order == 1:
            continue
        for k in range(K):
            p, by = e[k], root[k]
            for r in range(rows):
                by[r] = p[r] * weight[r]
            for r in range(rows):
                by[r] = np.sqrt(by[r])
        for a in range(m):
            to_columns(columns, carray(pointer(at[a], like), rows * K), rows, K)
            means(upper, lower, mean, columns, e, rows, K)
            centre(c[a], columns, upper, lower, root, rows, K)
        gram(curvature, c, rows * K)
    return value
