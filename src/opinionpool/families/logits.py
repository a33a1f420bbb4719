"""Arrays of logits that are made of others a few rows at a time, by threads that share them out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..kernels.threads import blocks, in_threads

#: M (n, K) arrays.
Logits = list[NDArray[Any]]
#: Returns M arrays of some rows. They may be written into those given: a temporary of a megabyte
#: is asked of the system, and its pages filled with zeros, each time.
Make = Callable[[slice, Logits | None], Logits]

#: Blocks are made in parts of the usual ones, of so many bytes for each model: what is at work then
#: stays in a core's second-level cache.
_PARTS = 16
#: Bytes below which a row is short: some lines of cache.
_SHORT = 1 << 9


def made(make: Make, n: int, threads: int = 1) -> Logits:
    """Return n rows of M arrays, of which ``make`` returns any consecutive ones, and of none."""
    like = make(slice(0, 0), None)
    arrays = [np.empty((n, x.shape[1]), x.dtype) for x in like]

    def work(first: int, last: int) -> None:
        into = [x[first:last] for x in arrays]
        for there, own in zip(into, make(slice(first, last), into), strict=True):
            if own is not there:
                there[:] = own

    longest = max(row_bytes_of([x]) for x in like)
    in_threads(work, blocks(n, longest, _PARTS), threads)
    return arrays


def in_parts(make: Make, n: int, work: Callable[[slice, Logits], None], threads: int = 1) -> None:
    """Call ``work(rows, arrays)`` with n rows of what ``make`` returns, a few of them at a time."""
    like = make(slice(0, 0), None)
    spans = blocks(n, max(row_bytes_of([x]) for x in like), _PARTS)
    rooms: list[Logits] = []  # one for each thread

    def one(first: int, last: int) -> None:
        most = spans[0][1]
        room = rooms.pop() if rooms else [np.empty((most, x.shape[1]), x.dtype) for x in like]
        rows = slice(first, last)
        work(rows, make(rows, [x[: last - first] for x in room]))
        rooms.append(room)

    in_threads(one, spans, threads)


def row_bytes_of(arrays: Logits) -> int:
    """Return how many bytes a row of all arrays takes."""
    return sum(x.shape[1] * x.itemsize for x in arrays)


def together(cells: NDArray[Any]) -> NDArray[Any]:
    """Return rows side by side where they are short: kernels of few classes read them as one."""
    short = cells.shape[1] * cells.itemsize < _SHORT
    return np.ascontiguousarray(cells) if short else cells


def tempered_logits(x: NDArray[Any], beta: Any, out: NDArray[Any] | None = None) -> NDArray[Any]:
    """Return ``βx``; what is impossible stays so at any temperature, 0·(−inf) too."""
    if beta > 0:
        return np.asarray(np.multiply(x, beta, out=out))
    flat = np.where(np.isfinite(x), 0, x)
    if out is None:
        return flat
    out[:] = flat
    return out
