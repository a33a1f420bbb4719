"""Pooling probabilities that are looked at meanwhile, so that they are read once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .applying import apply, apply_finite
from .arrays import Rows, address, common_dtype
from .averaging import PARTS, logarithm_of_mixture
from .choice import NARROW_POOL, PAST_CACHES
from .threads import all_in_threads, blocks

Array = NDArray[np.float64]

#: Parts of the usual blocks, so that logarithms of all models stay in the last-level cache; smaller
#: parts are more calls, 0.1 ms each.
_LOG_PARTS = 2


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

    return all_in_threads(work, blocks(n, k * dtype.itemsize, PARTS), threads)


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
    v, rows = np.asarray(v, dtype=np.float64), Rows(arrays, dtype, adjacent_rows=False)
    spans = blocks(n, len(v) * k * dtype.itemsize, _LOG_PARTS)
    most = max((last - first for first, last in spans), default=0)
    rooms: list[NDArray[Any]] = []  # one for each thread

    def work(first: int, last: int) -> bool:
        from .sound_logarithms import sound_logarithms

        room = rooms.pop() if rooms else np.empty((len(v), most, k), dtype)
        logs, (base, step, _alive) = list(room[:, : last - first]), rows.block(first, last)
        into = np.array([address(x) for x in logs], dtype=np.uint64)
        size = last - first, k
        sound = sound_logarithms(*size, base, step, tuple(bounds), into, v, rows.like)
        sound = sound and apply_finite(logs, v, out=out[first:last])
        rooms.append(room)
        return bool(sound)

    return all_in_threads(work, spans, threads)
