"""Gram matrices of many centred cells that are in the first caches, summed in vectors.

In the blocks of :mod:`~opinionpool.kernels.moments`, without its weights and means: of short rows
these are applied when the models' cells are turned into columns.
"""

from __future__ import annotations

from typing import Any

from .jit import inlined, part
from .lanes import LANES, load, start_of
from .moments import corner_at, eight_at, plus_corner, plus_pair, put_corner, put_eight
from .sweeps import four_of


@inlined
def cells_of(like: Any, x: Any, k: int) -> Any:
    """Return 16 cells of four models."""
    return load(like, x[0], k), load(like, x[1], k), load(like, x[2], k), load(like, x[3], k)


@part
def within_four(sums: Any, j: int, x: Any, n: int, like: Any) -> None:
    """Add the products of four models with one another to ten sums."""
    s = corner_at(like, start_of(sums), j, x)
    for k in range(0, n, LANES):
        d = cells_of(like, x, k)
        s = plus_corner(s, d, d)
    put_corner(sums, j, s)


@part
def with_two(sums: Any, j: int, x: Any, y: Any, n: int, like: Any) -> None:
    """Add the products of four models with two others to eight sums."""
    start = start_of(sums)
    s = eight_at(like, start, j)
    for k in range(0, n, LANES):
        s = plus_pair(s, cells_of(like, x, k), load(like, y[0], k), load(like, y[1], k))
    put_eight(sums, j, s)


@part
def add_gram(sums: Any, at: Any, n: int, like: Any) -> None:
    """Add ``Σ_k c_αk c_βk`` to the sums; n is a multiple of 16."""
    j = 0
    for i in range(0, len(at), 4):
        x = four_of(at, i)
        within_four(sums, j, x, n, like)
        j += 10 * LANES
        for b in range(0, i, 2):
            with_two(sums, j, x, (at[b], at[b + 1]), n, like)
            j += 8 * LANES
