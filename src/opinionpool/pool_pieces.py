"""Pooling block by block: what serves rows that are not in memory all at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .families import FAMILIES
from .pooling import Pooled
from .predictions.piecewise import Piecewise

if TYPE_CHECKING:
    from .pool import Pool


def pieces(
    pool: Pool, given: Piecewise, first: int = 0, last: int | None = None, *, threads: int = 1
) -> Iterator[Pooled]:
    """Pool blocks of consecutive rows; what callers see of them is ready."""
    for block in given.blocks(first, last):
        yield pool.pool(block, shown=given.dtype, threads=threads, first_row=first)
        first += block.n_rows


def all_pieces(
    pool: Pool, given: Piecewise, *, out: NDArray[Any] | None = None, threads: int
) -> Pooled:
    """Pool all blocks into one result, which is ready: into ``out`` if that is given."""
    fixed, shape = out is not None, (given.n_rows, len(given.columns))
    out = np.empty(shape, given.dtype) if out is None else out
    touched: Counter[str] = Counter()
    done = 0
    for pooled in pieces(pool, given, threads=threads):
        rows = slice(done, done + len(pooled.parameters))
        if fixed:
            pooled.into(out[rows])
        else:
            shown = pooled.shown(given.dtype)
            if shown.dtype != out.dtype:  # numbers that float32 cannot hold
                out = out.astype(shown.dtype)
            out[rows] = shown
        done = rows.stop
        touched.update(pooled.touched)
    return Pooled(out, dict(touched), FAMILIES[pool.family], ready=True)
