"""Compiled kernels of the log rule, row by row: any number of classes, weights and vetoes.

Design
------
*One pass over memory.* A row is read in tiles of at most ``TILE`` classes; everything that a
tile contributes (pooled logits, exponentials, means, centred products) is computed while its M
pieces are in the first two levels of cache. Nothing of size N × K is written but the result.

*Raw logits.* The pooled logits of a tile are float64 sums of the cells as they are; a constant
per row and model moves top, means and outcome alike and cancels in float64 (1e4 costs 1e-12).

*Curvature.* Weighted products of cells less their mean under the row's pool (``moments``): the mean
is rounded to the cells' dtype first, and what that leaves is taken off exactly. E[ℓℓ'] − E[ℓ]E[ℓ']
would lose every digit where offsets are large. A row of several tiles is centred tile by tile;
tiles are merged by the parallel update of a weighted covariance (Chan, Golub and LeVeque 1979).

*Accumulators.* Everything is float64 but centred cells and sums of some hundred products of them,
which are in the dtype of the cells.

*Memory* of a row is fetched while the row before is computed on (``sweeps``).

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

from .jit import jit, part
from .lanes import LANES, borrowed, keep, start_of
from .moments import MOST_ADDED, add_products, collect, sums_of
from .passes import highest, scaled
from .products import dots, gram
from .scratch import scratch, scratch_rows, table
from .status import IMPOSSIBLE, RULED_OUT, UNANSWERED
from .sweeps import add_means, exponentiated, first_at, pooled, rescaled_mass
from .tiles import (
    TILE,
    answering,
    distances,
    groups_of,
    locate,
    padded,
    repaired,
    shared,
    spread_out,
)
from .vector import cell

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
    by: float,
    status: Any,
    like: Any,
    gradient: Any,
    reach: Any,
    curvature: Any,
) -> tuple[float, float]:
    """Sum the loss over rows and return it; add its derivatives to the arrays given.

    With it comes that of pooled logits times ``by``, 0 where that is 0.
    """
    m, m4 = len(base), padded(len(base))
    base, step, present, like = borrowed(base), borrowed(step), borrowed(present), borrowed(like)
    classes, soft, u, status = borrowed(classes), borrowed(soft), borrowed(u), borrowed(status)
    gradient, reach, curvature = borrowed(gradient), borrowed(reach), borrowed(curvature)
    partial = present.size > 0
    wide, groups = min(K, TILE), groups_of(m)
    single = wide == K
    owners = (
        (scratch(wide, v), scratch(wide, v), scratch_rows(9, m4, v), scratch_rows(m4, ROWS, v)),
        (table(m4, m4, v), table(m4, m4, v)),
        (scratch(wide, like), scratch(wide, like), scratch(m4, like), scratch(m4, like)),
        (scratch(sums_of(m4) * LANES, like), scratch_rows(m4 + 1, wide, like)),
        (table(3, m4, base), scratch(m4, step)),
    )
    z = borrowed(owners[0][0])
    # In place where it can be: with 8 models all else fits the first-level cache.
    e = borrowed(owners[0][1]) if partial else z
    of_models, gaps = borrowed(owners[0][2]), borrowed(owners[0][3])
    part, whole = borrowed(owners[1][0]), borrowed(owners[1][1])
    zeros, p = borrowed(owners[2][0]), borrowed(owners[2][1])
    shift, centre = borrowed(owners[2][2]), borrowed(owners[2][3])
    sums, clean = borrowed(owners[3][0]), borrowed(owners[3][1])
    addresses, ahead = borrowed(owners[4][0]), borrowed(owners[4][1])
    at, to, piece = addresses[0], addresses[1], addresses[2]
    row_v, share, rest, y = of_models[0], of_models[1], of_models[2], of_models[3]
    best, own, mean, gap = of_models[4], of_models[5], of_models[6], of_models[7]
    delta, added, rows = of_models[8], 0, 0
    for a in range(m):
        row_v[a] = v[a]
    share[:] = 1.0
    distances(ahead, step, wide, K, like)
    value = rescaled = 0.0
    for n in range(first, last):
        if u[n] == 0:
            continue
        if partial and not answering(row_v, share, rest, v, present, n):
            status[n] = UNANSWERED
            continue
        state = 0
        top, mass, z_y, z_mean, z_best = -np.inf, 0.0, 0.0, 0.0, 0.0
        other = 0.0
        y[:] = 0.0
        mean[:] = 0.0
        if not single:
            whole[:] = 0.0
        for low in range(0, K, wide):
            size = min(wide, K - low)
            locate(at, base, step, present, n, low * like.itemsize, zeros)
            for a in range(m4):
                to[a] = at[a] + np.uint64(ahead[a])
            pooled(z, at, to, row_v, groups, size, like)
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
            if order and tile_top > top:
                favourite = first_at(z, size, tile_top)
                z_best = tile_top
                for a in range(m4):
                    best[a] = cell(like, at[a], favourite)
            if by > 0:
                here = rescaled_mass(z, tile_top, by, size, like)
                if low > 0:
                    other *= math.exp(by * (top - new_top))
                    here *= math.exp(by * (tile_top - new_top))
                other += here
            tile_mass = exponentiated(
                e, z, tile_top, size, spread_out(to, groups, order == 0), like
            )
            if order == 0:
                mass = mass * old + tile_mass * new
                top = new_top
                continue
            own[:] = 0.0
            add_means(own, e, at, to, groups, size, like)
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
                scaled(p, e, u[n] / tile_mass if single else 1.0, size)
                for a in range(m4):
                    piece[a], centre[a] = at[a], shift[a]
                if partial:
                    for a in range(m):
                        shared(clean[a], at[a], shift[a], z, z_own, share[a], rest[a], size, like)
                        piece[a], centre[a] = start_of(clean[a]), 0.0
                add_products(sums, p, piece, centre, size, like)
                added += (size + LANES - 1) // LANES
                if not single:
                    part[:] = 0.0
                    collect(part, sums, like)
                    added = 0
                else:
                    for a in range(m):
                        gaps[a, rows] = math.sqrt(u[n]) * gap[a]
                    rows += 1
                    if added >= MOST_ADDED:
                        collect(curvature, sums, like)
                        added = 0
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
        if by > 0:
            rescaled += u[n] * (by * (top - z_y) + math.log(other))
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
    if added:
        collect(curvature, sums, like)
    if rows:
        about_the_mean(curvature, part, gaps, rows)
    keep(owners)
    return value, rescaled


@part
def about_the_mean(curvature: Any, part: Any, gaps: Any, rows: int) -> None:
    """Take off what is left because means were rounded: ``E(ℓ−h)(ℓ'−h') − (Eℓ−h)(Eℓ'−h')``."""
    part[:] = 0.0
    gram(part, gaps, rows)
    for a in range(len(part)):
        for b in range(a + 1):
            curvature[a, b] -= part[a, b]
