"""What one tile of a row contributes to the sums of :mod:`~opinionpool.kernels.rows`.

``at`` and ``to`` are the addresses of the M models' cells of this tile and of the next one, and
``h`` is what cells are taken off: those of the row's favourite class in its first tile.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .jit import inlined
from .lanes import start_of
from .means import brief_exponentials, exponentials_and_sums, rescaled_mass
from .moments import add_products
from .products import dots, lessened
from .sweeps import first_at
from .tiles import repaired, shared, spread_out
from .vector import cell

#: What is taken off a logit that is to have no exponential; float32 holds it.
GONE = 1e30


@inlined
def exponentiated_tile(
    z: Any,
    e: Any,
    own: Any,
    best: Any,
    h: Any,
    at: Any,
    to: Any,
    row_v: Any,
    groups: tuple[int, int],
    clean: Any,
    zeros: Any,
    tops: tuple[float, float],
    by: float,
    order: int,
    size: int,
    like: Any,
) -> tuple[int, float, float, float]:
    """Set ``e = exp(z − top)`` and, from order 1 on, ``own = Σ_k e_k (x_k − h)``.

    ``tops`` are the largest pooled logits of the row so far and of the tile: the larger one is
    top. Where the tile's is, ``best`` are set to the models' cells there.

    Returns
    -------
    state, tile_top, mass, rescaled
        What is wrong with cells, 0 for nothing; the tile's largest pooled logit, perhaps once what
        is not finite is gone; ``Σ e``; and ``Σ exp(by (z − top))``, 0 unless ``by`` is above 0.
    """
    top, tile_top = tops
    state, mass, rescaled = 0, 0.0, 0.0
    for again in range(2):
        if again:
            fault, tile_top = repaired(z, at, row_v, size, clean, zeros, like)
            state |= fault
        now, leads, favourite = max(top, tile_top), tile_top > top, 0
        own[:] = 0.0
        if leads:
            # Counted apart, exactly: sums of float32 do not see what is small beside it.
            favourite = first_at(z, size, tile_top)
            z[favourite] -= GONE
            for a in range(len(at)):
                best[a] = cell(like, at[a], favourite)
                h[a] = best[a] if top == -np.inf else h[a]
                own[a] = best[a] - h[a]
        if order:
            mass, check = exponentials_and_sums(own, e, z, now, at, to, h, groups, size, like)
        else:
            mass, check = brief_exponentials(e, z, now, size, spread_out(to, groups), like)
        rescaled = rescaled_mass(z, now, by, size, like) if by > 0 else 0.0
        if leads:
            z[favourite], e[favourite] = tile_top, 1.0
            mass, rescaled = mass + 1.0, rescaled + 1.0
        if check == 0:
            break
    return state, tile_top, mass, rescaled


@inlined
def happened_in_tile(
    y: Any,
    z: Any,
    at: Any,
    classes: Any,
    soft: Any,
    n: int,
    low: int,
    size: int,
    order: int,
    like: Any,
) -> float:
    """Return the tile's part of ``Σ_k q_k z_k``, and add that of models' cells to ``y``."""
    z_y = 0.0
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
        for a in range(len(at)):
            y[a] = cell(like, at[a], k)
    return z_y


@inlined
def relative_to_origin(z: Any, e: Any, origin: float, size: int) -> float:
    """Return ``Σ_k e_k (z_k − origin)``; where nothing weighs, perhaps −inf, z becomes origin."""
    total = 0.0
    for k in range(size):
        z[k] = z[k] if e[k] > 0 else origin
        total += e[k] * (z[k] - origin)
    return total


@inlined
def note_means(
    plus: Any,
    minus: Any,
    columns: tuple[int, int],
    centre: Any,
    h: Any,
    own: Any,
    pull: Any,
    share: Any,
    rest: Any,
    z_sums: tuple[float, float],
    masses: tuple[float, float],
    old: float,
    weight: float,
) -> None:
    """Set the tile's centre; note what that rounds off its means, and how far these are apart.

    A column each, of ``minus`` and of ``plus``, behind those of the row's earlier tiles, which
    weigh ``old`` times as much as before (Chan, Golub and LeVeque 1979). ``z_sums`` and ``masses``
    are those of the tile and of the row before, ``own`` and ``pull`` are their sums of cells.
    """
    begun, last = columns
    here, before = masses
    for a in range(len(plus)):
        plus[a, last] = 0.0
    if old < 1:
        lessened(minus, begun, last, math.sqrt(old))
        lessened(plus, begun, last, math.sqrt(old))
    if before > 0:
        root, kept = math.sqrt(here * before / (here + before)), old / before
        z_apart = z_sums[0] / here - z_sums[1] * kept
        for a in range(len(plus)):
            apart = share[a] * (own[a] / here - pull[a] * kept) + rest[a] * z_apart
            plus[a, last] = root * apart
    root = math.sqrt(weight)
    for a in range(len(plus)):
        mean = own[a] / here
        centre[a] = h[a] + mean  # rounded to the dtype of the cells
        minus[a, last] = root * share[a] * (mean - (centre[a] - h[a]))


@inlined
def add_tile_products(
    products: Any,
    e: Any,
    at: Any,
    to: Any,
    centre: Any,
    share: Any,
    rest: Any,
    z: Any,
    z_mean: float,
    clean: Any,
    piece: Any,
    none: Any,
    partial: bool,
    m: int,
    size: int,
    like: Any,
) -> None:
    """Add the weighted products of cells less their centres; see :func:`~.tiles.shared`."""
    if not partial:
        add_products(products, e, at, to, centre, m, size, like)
        return
    for a in range(len(at)):
        own_share, own_rest = share[a], rest[a]
        shared(clean[a], at[a], centre[a], z, z_mean, own_share, own_rest, size, like)
        piece[a] = start_of(clean[a])
    add_products(products, e, piece, to, none, m, size, like)
