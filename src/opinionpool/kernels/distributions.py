"""Pooling probabilities that are looked at meanwhile, so that they are read once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .applying import apply
from .arrays import Rows, common_dtype
from .averaging import logarithm_of_mixture
from .choice import NARROW_POOL, PAST_CACHES
from .threads import all_in_threads, blocks

Array = NDArray[np.float64]

#: Parts of the usual blocks, as in ``averaging``: logarithms stay in the second-level cache.
_PARTS = 16


class Bounds(NamedTuple):
    """What rows of probabilities have to be: no cell below 0, and none above ``highest``.

    ``least`` and ``most`` are the bounds of their sums.
    """

    least: float
    most: float
    highest: float


def mix_distributions(
    arrays: Sequence[NDArray[Any]],
    w: Array,
    s: float,
    bounds: Bounds,
    *,
    out: NDArray[Any],
    threads: int = 1,
) -> bool:
    """Pool as :func:`~opinionpool.kernels.averaging.mix` does, and say whether that holds.

    Whether all rows of all models, those of weight 0 too, are within the bounds. Where one is not,
    reading ends soon, and what ``out`` holds means nothing. Compiled kernels only.

    Examples
    --------
    >>> p, out = [np.array([[0.5, 0.5]]), np.array([[0.8, 0.2]])], np.empty((1, 2))
    >>> within = Bounds(0.999, 1.001, 1.000001)
    >>> mix_distributions(p, np.array([0.5, 0.5]), 1.0, within, out=out), out.round(4)
    (True, array([[0.65, 0.35]]))
    """
    (n, k), dtype = arrays[0].shape, common_dtype(arrays)
    w = np.asarray(w, dtype=np.float64)
    plainly = out.dtype == dtype and out.flags.c_contiguous and out.flags.aligned
    direct = plainly and s == 1
    past_caches = direct and out.nbytes > PAST_CACHES

    def work(first: int, last: int) -> bool:
        here = slice(first, last)
        own, room = [x[here] for x in arrays], out[here]
        total = room if direct else np.empty(room.shape)
        if not average_distributions(total, own, w, bounds, past_caches):
            return False
        if s != 1:
            total = logarithm_of_mixture(total, own, w, [True] * len(own))
            apply([total], np.array([s]), out=room)
        elif not direct:
            room[:] = total
        return True

    return all_in_threads(work, blocks(n, k * dtype.itemsize, _PARTS), threads)


def average_distributions(
    out: NDArray[Any], arrays: list[NDArray[Any]], w: Array, bounds: Bounds, past_caches: bool
) -> bool:
    """Write some rows' mixture; return whether all of them are distributions."""
    (n, k), dtype = out.shape, common_dtype(arrays)
    narrow = k <= NARROW_POOL
    rows = Rows(arrays, dtype, adjacent_rows=narrow)
    base, step, _alive = rows.block(0, n)
    if narrow:
        from .average_shares import average_narrow

        left, limits = np.zeros(n, np.uint8), (bounds.least, bounds.most, 0.0, bounds.highest)
        average_narrow(base, step, w[:, None], left, out, past_caches, limits, rows.like)
        return not left.any()
    from .average_sound import average_sound

    sound: bool = average_sound(base, step, w, tuple(bounds), out, past_caches, rows.like)
    return sound


def apply_distributions(
    arrays: Sequence[NDArray[Any]],
    v: Array,
    bounds: Bounds,
    *,
    out: NDArray[Any],
    threads: int = 1,
) -> bool:
    """Pool the logarithms of probabilities as :func:`apply_finite` does logits.

    False too where a probability is 0: what that rules out is looked at with more care. Compiled
    kernels only.

    Examples
    --------
    >>> p, out = [np.array([[0.5, 0.5]]), np.array([[0.8, 0.2]])], np.empty((1, 2))
    >>> within = Bounds(0.999, 1.001, 1.000001)
    >>> apply_distributions(p, np.array([0.5, 0.5]), within, out=out), out.round(4)
    (True, array([[0.6667, 0.3333]]))
    """
    (n, k), dtype = arrays[0].shape, common_dtype(arrays)
    v, narrow = np.asarray(v, dtype=np.float64), k <= NARROW_POOL
    if not (v > 0).any():
        return False
    rows = Rows(arrays, dtype, adjacent_rows=narrow)
    direct = out.dtype == dtype and out.flags.c_contiguous and out.flags.aligned
    past_caches = direct and out.nbytes > PAST_CACHES

    def work(first: int, last: int) -> bool:
        from .apply_sound import apply_sound

        base, step, _alive = rows.block(first, last)
        room = out[first:last]
        into = room if direct else np.empty(room.shape, dtype)
        sound = apply_sound(base, step, v, tuple(bounds), into, narrow, past_caches, rows.like)
        if sound and not direct:
            room[:] = into
        return bool(sound)

    return all_in_threads(work, blocks(n, len(v) * k * dtype.itemsize), threads)
