"""Compiled kernels of the log rule, row by row: any number of classes, weights and vetoes.

Design
------
*One pass over memory.* A row is read in tiles of at most ``TILE`` classes; everything that a
tile contributes (pooled logits, exponentials, means, centred products) is computed while its M
pieces are in the first two levels of cache. Nothing of size N × K is written but the result.

*Raw logits.* The pooled logits of a tile are float64 sums of the cells as they are; a constant
per row and model moves top, means and outcome alike and cancels in float64 (1e4 costs 1e-12).

*Curvature.* The Gram matrix of cells centred by their mean under the row's pool, times √p, which
is positive semi-definite up to an ulp (of the cells' dtype) of its trace; the mean is rounded to
that dtype first, and what that leaves is taken off exactly. E[ℓℓ'] − E[ℓ]E[ℓ'] would lose every
digit where offsets are large. A row of several tiles is centred tile by tile; tiles are merged by
the parallel update of a weighted covariance (Chan, Golub and LeVeque 1979).

*Accumulators.* Everything is float64 but centred cells and sums of at most ``TILE`` products of
them, which are in the dtype of the cells.

*Vetoes and faults.* A pooled logit that is not finite sends its tile through
:func:`repaired`: −inf is a veto (the class gets no mass, the cell counts 0), anything else is a
fault. Tiles of finite cells pay one multiplication per pooled logit for this.

*Threads* take blocks of rows, whose sums are added in the order of the blocks: the same bits
for every number of threads.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .jit import jit
from .passes import (
    PIECE,
    exponential_sum,
    exponentials,
    exponentials_ahead,
    first_at,
    highest,
    rooted,
    weighted_sum,
)
from .products import centred, dots, gram, shared
from .status import IMPOSSIBLE, RULED_OUT, UNANSWERED
from .tiles import TILE, answering, distances, locate, padded, repaired, scratch, scratch_rows
from .vector import cell

#: Bytes of centred cells between products: a first-level cache's worth. With half of that and
#: 8 models all three sums took 1.03 of the time.
PRODUCTS = 1 << 15
#: Rows whose remainders of means wait to be taken off.
ROWS = 256


@jit
def sum_rows(
    first: int,
    last: int,
    base: Any,
    step: Any,
    v: Any,
    present: Any,
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
    """Sum the loss over rows and return it; add its derivatives to the arrays given."""
    m, m4 = len(base), padded(len(base))
    narrow, partial = like.itemsize == 4, present.size > 0
    wide = min(K, TILE)
    single = wide == K
    z, zeros = scratch(wide, v), scratch(wide, like)
    e, root = scratch(wide, v), scratch(wide, like)
    clean = scratch_rows(m4, wide, like)
    # Centred cells wait here, across rows of one tile, until there are enough for a long product.
    width = min(TILE, max(256, PRODUCTS // (m4 * like.itemsize) // 16 * 16))
    c, filled = scratch_rows(m4, width, like), 0
    gaps, rows = scratch_rows(m4, ROWS, v), 0
    ahead = distances(step, wide, K, like)
    at, piece = np.empty(m4, np.uint64), np.empty(m4, np.uint64)
    shift = scratch(m4, like)
    row_v, share, rest = np.zeros(m4), np.ones(m4), np.zeros(m4)
    row_v[:m] = v
    y, best, own, mean, gap, delta = (
        scratch(m4, v),
        scratch(m4, v),
        scratch(m4, v),
        scratch(m4, v),
        scratch(m4, v),
        scratch(m4, v),
    )
    part, whole = np.zeros((m4, m4)), np.zeros((m4, m4))
    value = 0.0
    for n in range(first, last):
        if u[n] == 0:
            continue
        if partial and not answering(row_v, share, rest, v, present, n):
            status[n] = UNANSWERED
            continue
        state = 0
        top, mass, z_y, z_mean, z_best = -np.inf, 0.0, 0.0, 0.0, 0.0
        y[:] = 0.0
        mean[:] = 0.0
        if not single:
            whole[:] = 0.0
        for low in range(0, K, wide):
            size = min(wide, K - low)
            locate(at, base, step, present, n, low * like.itemsize, zeros)
            weighted_sum(z, at, row_v, size, like)
            tile_top, check = highest(z, size)
            if check != 0:
                state |= repaired(z, at, row_v, size, clean, zeros, like)
                tile_top, check = highest(z, size)
            # What happened.
            if soft.size:
                q = soft[n, low : low + size]
                for k in range(size):
                    if q[k] > 0:
                        z_y += q[k] * z[k]
                if order:
                    dots(y, q, at, size, like)
            elif low <= classes[n] < low + size:
                k = classes[n] - low
                z_y = z[k]
                for a in range(m4):
                    y[a] = cell(like, at[a], k)
            if tile_top == -np.inf:
                continue
            old, new, new_top = 0.0, 1.0, max(top, tile_top)
            if low > 0:
                old, new = math.exp(top - new_top), math.exp(tile_top - new_top)
            if order == 0:
                mass = mass * old + exponential_sum(z, tile_top, size, narrow) * new
                top = new_top
                continue
            if size < PIECE:
                tile_mass = exponentials(e, z, tile_top, size, narrow)
            else:
                tile_mass = exponentials_ahead(
                    e, z, tile_top, size, narrow, at[:m], ahead, like.itemsize
                )
            if tile_top > top:
                favourite = first_at(z, size, tile_top)
                z_best = tile_top
                for a in range(m4):
                    best[a] = cell(like, at[a], favourite)
            own[:] = 0.0
            dots(own, e, at, size, like)
            z_own = 0.0
            if partial:
                for k in range(size):
                    z[k] = z[k] if e[k] > 0 else tile_top  # perhaps −inf
                    z_own += e[k] * z[k]
                z_own /= tile_mass
            for a in range(m4):
                own[a] /= tile_mass
                shift[a] = own[a]  # rounded to the dtype of the cells
                gap[a] = share[a] * (own[a] - shift[a])
            if order == 2 and state == 0 and z_y > -np.inf:
                products, factor = curvature, u[n] / tile_mass
                if not single:
                    products, factor = part, 1.0
                    part[:] = 0.0
                rooted(root, e, factor, size)
                for start in range(0, size, width):
                    many = min(width, size - start)
                    if filled + many > width:
                        gram(products, c, filled)
                        filled = 0
                    for a in range(m4):
                        piece[a] = at[a] + np.uint64(start * like.itemsize)
                    roots = root[start : start + many]
                    centred(c, filled, piece, roots, shift, many, like)
                    for a in range(m if partial else 0):
                        cells, pooled = c[a, filled : filled + many], z[start : start + many]
                        shared(cells, roots, pooled, z_own, share[a], rest[a], many)
                    filled += many
                if single:
                    for a in range(m):
                        gaps[a, rows] = math.sqrt(u[n]) * gap[a]
                    rows += 1
                else:
                    gram(part, c, filled)
                    filled = 0
            # Merge the tile into the row.
            before, here = mass * old, tile_mass * new
            top, mass = new_top, before + here
            portion = here / mass
            for a in range(m4):
                delta[a] = own[a] - mean[a]
                mean[a] += portion * delta[a]
                delta[a] = share[a] * delta[a] + rest[a] * (z_own - z_mean)
            z_mean += portion * (z_own - z_mean)
            if order == 2 and not single:
                for a in range(m):
                    for b in range(a + 1):
                        within = part[a, b] - tile_mass * gap[a] * gap[b]
                        apart = before * portion * delta[a] * delta[b]
                        whole[a, b] = old * whole[a, b] + new * within + apart
        if top == -np.inf and state == 0:
            state = IMPOSSIBLE
        elif z_y == -np.inf and state == 0:
            state = RULED_OUT
        status[n] = state
        if state:
            continue
        value += u[n] * (top - z_y + math.log(mass))
        if order == 0:
            continue
        for a in range(m):
            pulled = share[a] * (mean[a] - y[a]) + rest[a] * (z_mean - z_y)
            gradient[a] += u[n] * pulled
            reach[a] += u[n] * (share[a] * (best[a] - y[a]) + rest[a] * (z_best - z_y))
        if order == 2 and not single:
            for a in range(m):
                for b in range(a + 1):
                    curvature[a, b] += u[n] / mass * whole[a, b]
        if rows == ROWS:
            about_the_mean(curvature, part, gaps, rows)
            rows = 0
    if filled:
        gram(curvature, c, filled)
    if rows:
        about_the_mean(curvature, part, gaps, rows)
    return value


@jit
def about_the_mean(curvature: Any, part: Any, gaps: Any, rows: int) -> None:
    """Take off what is left because means were rounded: ``E(ℓ−h)(ℓ'−h') − (Eℓ−h)(Eℓ'−h')``."""
    part[:] = 0.0
    gram(part, gaps, rows)
    for a in range(len(part)):
        for b in range(a + 1):
            curvature[a, b] -= part[a, b]
