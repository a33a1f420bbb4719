"""Compiled sums of rows of probabilities, of which what is not above 0 counts as 0."""

from __future__ import annotations

from typing import Any

import numpy as np

from .jit import inlined, part
from .lanes import LANES, load, load_first, size_of, spread, wide
from .near_sums import fetch_four
from .reductions import total_of
from .turned import positive_or


@inlined
def added(x: Any, so_far: Any, like: Any) -> Any:
    """Return the sum of what is above 0 with 16 cells more, and one that is 0 if all are finite."""
    dtype = like.dtype.type
    return so_far[0] + wide(positive_or(x, dtype(0))), so_far[1] + x * dtype(0)


@part
def mass_of(address: Any, n: int, ahead: int, like: Any) -> tuple[float, bool]:
    """Return the sum of the cells above 0, and whether all are finite; fetch what is ``ahead``."""
    nought, later = spread(like, like.dtype.type(0)), address + np.uint64(ahead)
    even = odd = (wide(nought), nought)
    for k in range(0, n - 4 * LANES + 1, 4 * LANES):
        even = added(load(like, address, k), even, like)
        odd = added(load(like, address, k + LANES), odd, like)
        even = added(load(like, address, k + 2 * LANES), even, like)
        odd = added(load(like, address, k + 3 * LANES), odd, like)
        fetch_four(later + np.uint64(k * size_of(like)))
        if size_of(like) == 8:
            fetch_four(later + np.uint64(k * size_of(like) + 256))
    for k in range(n - n % (4 * LANES), n, LANES):
        even = added(load_first(like, address, k, min(LANES, n - k)), even, like)
    return total_of(even[0] + odd[0]), total_of(even[1] + odd[1]) == 0
