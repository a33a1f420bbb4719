"""Where the cells of a tile are, of every model, and those that come next."""

from __future__ import annotations

from typing import Any

import numpy as np

from .jit import inlined, part
from .lanes import size_of, start_of


@part
def set_out(
    places: Any, base: Any, step: Any, zeros: Any, wide: int, K: int, later: bool, like: Any
) -> None:
    """Note where cells of the first row are, what comes a tile later, and what pooling asks for.

    Rows of ``places``: the addresses, then those in row 0, how far rows are apart, and tiles;
    addresses of zeros for what fills M up. Pooling asks for less where products ask for some
    ``later``, of every four models for the second.
    """
    m, m4 = len(base), len(places[0]) // 3
    tile = np.uint64(wide * size_of(like))
    for i in range(3 * m4):
        a = i % m4
        a -= 1 if later and i >= 2 * m4 and a % 4 == 1 else 0
        if a >= m:
            places[1, i] = start_of(zeros)
            continue
        ahead = step[a] if wide == K else tile
        places[1, i] = base[a] + (ahead if i >= m4 else np.uint64(0))
        places[2, i] = step[a]
        places[3, i] = tile


@inlined
def locate(places: Any, n: int, t: int) -> None:
    """Set the addresses to those of tile t of row n."""
    row, tile = np.uint64(n), np.uint64(t)
    for i in range(places.shape[1]):
        places[0, i] = places[1, i] + row * places[2, i] + tile * places[3, i]


@inlined
def leave_out(at: Any, present: Any, n: int, zeros: Any) -> None:
    """Point to zeros for models that did not answer row n."""
    for a in range(len(present)):
        if present[a, n] == 0:
            at[a] = start_of(zeros)
