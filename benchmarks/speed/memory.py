"""What merely moving the bytes takes: the limit that everybody is measured by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opinionpool.kernels.arrays import address
from opinionpool.kernels.jit import jit
from opinionpool.kernels.lanes import keep, start_of
from opinionpool.kernels.scratch import scratch
from opinionpool.kernels.sweeps import emitted, pooled
from opinionpool.kernels.threads import blocks, in_threads
from opinionpool.kernels.tiles import TILE, groups_of, padded
from opinionpool.kernels.vector import view


@jit
def _read(base: Any, n: int, like: Any) -> Any:
    """Add up n cells of each array."""
    total = like.dtype.type(0)
    for a in range(len(base)):
        x = view(base[a], like, n)
        for i in range(n):
            total += x[i]
    return total


@jit
def _read_and_write(base: Any, out: Any, v: Any, n: int, like: Any) -> None:
    """Write the weighted sum of the arrays, cache by cache: as little work as has these bytes."""
    z, zeros, m4 = scratch(TILE, v), scratch(TILE, like), padded(len(base))
    at, to = np.empty(m4, np.uint64), np.empty(m4, np.uint64)
    weights = np.zeros(m4)
    weights[: len(base)] = v
    for low in range(0, n, TILE):
        size = min(TILE, n - low)
        at[:] = start_of(zeros)
        for a in range(len(base)):
            at[a] = base[a] + np.uint64(low * like.itemsize)
        to[:] = at + np.uint64(TILE * like.itemsize)
        pooled(z, at, to, weights, groups_of(len(base)), size, like)
        emitted(out[low : low + size], z, 1.0, 0.0, size, True, like)
    keep(zeros)


def moving(
    arrays: Sequence[NDArray[Any]], out: NDArray[Any] | None, threads: int
) -> Callable[[], None]:
    """Return what merely reads M arrays (N, K), and writes one if there is somewhere to."""
    n, k = arrays[0].shape
    base = np.array([address(x) for x in arrays], np.uint64)
    like, v = np.empty(0, arrays[0].dtype), np.ones(len(arrays))
    flat = None if out is None else out.reshape(-1)

    def move(first: int, last: int) -> Any:
        here = base + np.uint64(first * k * like.itemsize)
        if flat is None:
            return _read(here, (last - first) * k, like)
        return _read_and_write(here, flat[first * k : last * k], v, (last - first) * k, like)

    spans = blocks(n, len(arrays) * k * like.itemsize)

    def run() -> None:
        in_threads(move, spans, threads)

    return run


def reading(arrays: Sequence[NDArray[Any]], threads: int) -> Callable[[], None]:
    """Return what merely adds up M arrays (N, K)."""
    return moving(arrays, None, threads)


def numpy_adding(arrays: Sequence[NDArray[Any]], threads: int) -> Callable[[], None]:
    """Return what adds up M arrays (N, K) by NumPy's own sum, rows shared out to threads."""
    n = len(arrays[0])
    spans = [(n * i // threads, n * (i + 1) // threads) for i in range(threads)]

    def add(first: int, last: int) -> None:
        for x in arrays:
            x[first:last].sum()

    def run() -> None:
        in_threads(add, spans, threads)

    return run
