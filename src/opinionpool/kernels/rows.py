"""Compiled kernels of the log rule, row by row: any number of classes, weights and vetoes.

Design
------
*One pass over memory.* A row is read in tiles; everything that a tile contributes (pooled logits,
exponentials, means, centred products: ``row_tiles``) is computed while its M pieces, and those of
the next, are in the first two levels of cache. Nothing of size N × K is written but the result.

*Raw logits.* The pooled logits of a tile are float64 sums of the cells as they are; a constant
per row and model moves top, means and outcome alike and cancels in float64 (1e4 costs 1e-12).

*Exponentials* and the sums that they weigh are in the dtype of the cells (``means``), of cells less
that of the row's favourite class so far. Where cells are float32 a row's loss is good to 2e-7 and a
mean loss to 1e-8: the largest exponential is counted apart, exactly, since a lane that holds it
would lose what is small beside it, every time.

*Curvature.* Weighted products of cells less their mean under the pool of the tile (``moments``):
the mean is rounded to the cells' dtype first, and what that leaves is taken off exactly.
E[ℓℓ'] − E[ℓ]E[ℓ'] would lose every digit where offsets are large. Of a row of several tiles the
products are merged lane by lane, and what the tiles' means are apart is added: the parallel update
of a weighted covariance (Chan, Golub and LeVeque 1979), a column for each tile.

*Accumulators.* Everything else is float64.

*Memory* of a row is fetched while the row before is computed on (``sweeps``).

*Vetoes and faults.* A pooled logit that is not finite sends its tile through
:func:`~.tiles.repaired`: −inf is a veto (the class gets no mass, the cell counts 0), anything else
is a fault. Tiles of finite cells pay one multiplication per exponential for this.

*Threads* take blocks of rows, whose sums are added in the order of the blocks: the same bits
for every number of threads.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .jit import jit
from .lanes import LANES, borrowed, keep
from .moments import MOST_ADDED, collect, merge, sums_of
from .passes import scaled
from .places import leave_out, locate, set_out
from .powers import WAITING, summed_logarithms
from .products import add_grams, lessened
from .row_tiles import (
    add_tile_products,
    exponentiated_tile,
    happened_in_tile,
    note_means,
    relative_to_origin,
)
from .scratch import scratch, scratch_rows, table
from .status import IMPOSSIBLE, RULED_OUT, UNANSWERED
from .sweeps import pooled
from .tiles import answering, groups_of, padded, tile_of

#: Means of tiles whose products wait to be added or taken off.
COLUMNS = 256


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
    wide, groups = tile_of(K, m, like), groups_of(m)
    single = wide == K
    most, many = COLUMNS + (K + wide - 1) // wide, LANES * sums_of(m4)
    owners = (
        (scratch(wide, v), scratch_rows(7, m4, v), table(m4, m4, v)),
        (scratch_rows(m4, most, v), scratch_rows(m4, most, v), scratch_rows(3, WAITING, v)),
        (scratch(wide, like), scratch(wide, like), scratch_rows(3, m4, like)),
        (scratch(many, like), scratch(many, like), scratch(many, like)),
        (scratch_rows(m4 + 1, wide, like), scratch(m4, base), table(4, 3 * m4, base)),
    )
    z, of_models, gram_of = borrowed(owners[0][0]), borrowed(owners[0][1]), borrowed(owners[0][2])
    plus, minus, waiting = borrowed(owners[1][0]), borrowed(owners[1][1]), borrowed(owners[1][2])
    zeros, e, origins = borrowed(owners[2][0]), borrowed(owners[2][1]), borrowed(owners[2][2])
    of_tile, of_row, of_rows = (
        borrowed(owners[3][0]),
        borrowed(owners[3][1]),
        borrowed(owners[3][2]),
    )
    clean, piece, places = borrowed(owners[4][0]), borrowed(owners[4][1]), borrowed(owners[4][2])
    where = places[0]
    at, to, early = where[:m4], where[m4 : 2 * m4], where[2 * m4 :]
    row_v, share, rest, y = of_models[0], of_models[1], of_models[2], of_models[3]
    best, own, pull = of_models[4], of_models[5], of_models[6]
    h, centre, none = origins[0], origins[1], origins[2]
    masses, others, weights = waiting[0], waiting[1], waiting[2]
    added = columns = late = 0
    for a in range(m):
        row_v[a] = v[a]
    share[:] = 1.0
    set_out(places, base, step, zeros, wide, K, order == 2, like)
    value = rescaled = 0.0
    for n in range(first, last):
        if u[n] == 0:
            continue
        if partial and not answering(row_v, share, rest, v, present, n):
            status[n] = UNANSWERED
            continue
        state = 0
        top, mass, other, z_y = -np.inf, 0.0, 0.0, 0.0
        z_sum = origin = z_own = 0.0
        begun = columns
        y[:] = 0.0
        for low in range(0, K, wide):
            size = min(wide, K - low)
            locate(places, n, low // wide)
            if partial:
                leave_out(at, present, n, zeros)
            tile_top = pooled(z, at, early, row_v, groups, size, like)
            tops = top, tile_top
            fault, tile_top, here, here_by = exponentiated_tile(
                *(z, e, own, best, h, at, to, row_v, groups, clean, zeros),
                *(tops, by, order, size, like),
            )
            state |= fault
            z_y += happened_in_tile(y, z, at, classes, soft, n, low, size, order, like)
            if tile_top == -np.inf:
                continue
            # What came before, relative to the largest so far.
            begins, now = top == -np.inf, max(top, tile_top)
            old = 1.0 if now == top else 0.0 if begins else math.exp(top - now)
            before = mass * old
            mass = before + here
            if by > 0:
                other = other * (math.exp(by * (top - now)) if old < 1 else 1.0) + here_by
            top = now
            if order == 0:
                continue
            if partial:
                origin = top if begins else origin
                z_own = relative_to_origin(z, e, origin, size)
            if order == 2 and here > 0 and not (single and (state or z_y == -np.inf)):
                weight, products = u[n] if single else here, of_rows if single else of_tile
                note_means(
                    *(plus, minus, (begun, columns), centre, h, own, pull, share, rest),
                    *((z_own, z_sum), (here, before), old, weight),
                )
                columns += 1
                if single:
                    scaled(e, e, u[n] / mass, size)
                    added += (size + LANES - 1) // LANES
                add_tile_products(
                    *(products, e, at, to, centre, share, rest, z),
                    *(origin + z_own / here, clean, piece, none, partial, m, size, like),
                )
                if not single:
                    merge(of_row, old, of_tile, 1.0, like)
            for a in range(m4):
                pull[a] = own[a] if begins else pull[a] * old + own[a]
            z_sum = z_sum * old + z_own
        if top == -np.inf and state == 0:
            state = IMPOSSIBLE
        elif z_y == -np.inf and state == 0:
            state = RULED_OUT
        status[n] = state
        if state:
            columns = begun
            continue
        value += u[n] * (top - z_y)
        masses[late], others[late], weights[late] = mass, other if by > 0 else 1.0, u[n]
        late += 1
        if late == WAITING:
            value += summed_logarithms(masses, weights, late)
            rescaled += summed_logarithms(others, weights, late) if by > 0 else 0.0
            late = 0
        if by > 0:
            rescaled += u[n] * by * (top - z_y)
        if order == 0:
            continue
        inverse = 1.0 / mass
        z_mean = origin + z_sum * inverse
        for a in range(m4):
            mean = h[a] + pull[a] * inverse
            pulled = share[a] * (mean - y[a]) + rest[a] * (z_mean - z_y)
            gradient[a] += u[n] * pulled
            reach[a] += u[n] * (share[a] * (best[a] - y[a]) + rest[a] * (top - z_y))
        if order == 1:
            continue
        if not single:
            lessened(minus, begun, columns, math.sqrt(u[n] / mass))
            lessened(plus, begun, columns, math.sqrt(u[n] / mass))
            merge(of_rows, 1.0, of_row, u[n] / mass, like)
            added += 1
        if added >= MOST_ADDED:
            collect(curvature, of_rows, like)
            added = 0
        if columns >= COLUMNS:
            add_grams(curvature, gram_of, minus, plus, columns, single)
            columns = 0
    value += summed_logarithms(masses, weights, late)
    rescaled += summed_logarithms(others, weights, late) if by > 0 else 0.0
    if added:
        collect(curvature, of_rows, like)
    if columns:
        add_grams(curvature, gram_of, minus, plus, columns, single)
    keep(owners)
    return value, rescaled
