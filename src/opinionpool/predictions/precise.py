"""Cells read again in float64, normalised by compiled kernels, for who looks at every probability.

Reading logits in place is quickest, but float32 cells are then exponentiated in float32. Scores
count rows between thresholds, which such rounding would move from one bin to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..families.lazy import Lazy, Rows
from ..families.logits import Logits
from ..kernels import fused
from ..kernels.arrays import common_dtype, plain_layout
from ..kernels.threads import in_threads
from .cells import Cells, Source
from .kinds import log_shares

Array = NDArray[np.float64]

#: Cells of a model that a thread converts at a time: they stay near it, and are enough that threads
#: seldom wait for each other to call the next function.
_SPAN_CELLS = 1 << 18
#: Cells of a block that is handed on.
_BLOCK_CELLS = 1 << 20


class Precise(Lazy):
    """Predictions in memory, block by block in float64 whatever they are stored as.

    Parameters
    ----------
    cells
        Of models whose tables are all in memory.
    threads
        How many convert a block.
    """

    def __init__(self, cells: Cells, threads: int = 1) -> None:
        self.cells, self.threads = cells, threads
        self.shape, self.zeros = cells.shape, cells.zeros

    @property
    def reads(self) -> int:
        """How often all rows were read."""
        return self.cells.reads

    def take(self, rows: Rows) -> Lazy:
        """Return some rows; only these are read."""
        taken = self.cells.take(rows)
        return Precise(taken, self.threads) if isinstance(taken, Cells) else taken

    def models(self, chosen: Sequence[int] | NDArray[np.int64]) -> Precise:
        """Return some models; the others are not read."""
        return Precise(self.cells.models(chosen), self.threads)

    def parts(self) -> Iterator[tuple[slice, Array]]:
        """Yield consecutive rows and their normalised log-probabilities."""
        yield from self._filled(_log_p)

    def logits(self, threads: int = 1) -> Iterator[tuple[slice, Logits]]:
        """Yield consecutive rows and arrays that the log rule may use: in float64."""
        as_they_are = all(source.raw for source in self.cells.sources)
        for rows, block in self._filled(_shifted if as_they_are else _log_p):
            yield rows, list(block)

    def for_each(self, f: Callable[[slice, Array], object]) -> None:
        """Call ``f`` with rows and their log-probabilities, by several threads, a few at a time.

        They never leave a core's cache, as they would on their way through :meth:`parts`.
        """
        size = max(1, _SPAN_CELLS // (self.shape[0] * self.shape[2]))
        for rows, blocks in self.cells.raw():

            def work(a: int, b: int, rows: slice = rows, blocks: Any = blocks) -> None:
                out = self._empty(b - a)
                for own, x, source in zip(out, blocks, self.cells.sources, strict=True):
                    _log_p(own, x[a:b], source, rows.start + a)
                f(slice(rows.start + a, rows.start + b), out)

            in_threads(work, _spans(rows.stop - rows.start, size), self.threads)

    def _filled(self, what: _Filler) -> Iterator[tuple[slice, Array]]:
        """Yield blocks small enough for the allocator to use the same memory again."""
        m, _, k = self.shape
        for rows, blocks in self.cells.raw():
            for first, last in _spans(rows.stop - rows.start, max(1, _BLOCK_CELLS // (m * k))):
                out, start = self._empty(last - first), rows.start + first
                tasks = [
                    (out[i, a:b], blocks[i][first + a : first + b], source, start + a)
                    for i, source in enumerate(self.cells.sources)
                    for a, b in _spans(last - first, max(1, _SPAN_CELLS // k))
                ]

                def work(i: int, _: int, tasks: list[_Task] = tasks) -> None:
                    what(*tasks[i])

                in_threads(work, [(i, i + 1) for i in range(len(tasks))], self.threads)
                yield slice(start, rows.start + last), out

    def _empty(self, n: int) -> Array:
        return np.empty((self.shape[0], n, self.shape[2]))


def _spans(n: int, size: int) -> list[tuple[int, int]]:
    return [(first, min(n, first + size)) for first in range(0, n, size)]


#: Where rows of one model go, its cells, how these are read, and the number of the first row.
_Task = tuple[Array, NDArray[Any], Source, int]
#: What sets them.
_Filler = Callable[[Array, NDArray[Any], Source, int], None]


def _shifted(out: Array, cells: NDArray[Any], source: Source, first: int) -> None:
    """Take off each row's largest logit: of one that is sure of a class, 0 is left, exactly.

    Else logits of 300 would scatter its probability by 1e-14 around 1, and ties be none.
    """
    from ..kernels.less_top import less_top

    ordered = cells if source.order is None else cells[:, list(source.order)]
    less_top(plain_layout(ordered, common_dtype([ordered])), out)


def _log_p(out: Array, cells: NDArray[Any], source: Source, first: int) -> None:
    if cells.shape[1] == 1 or source.kind is None:
        out[:] = source.log_p(cells, first)
        return
    if source.kind == "probabilities":
        # Of the columns as they came: a sum in another order may be another.
        own = out if source.order is None else np.empty(out.shape)
        log_shares(cells, own)
        if source.order is not None:
            out[:] = own[:, list(source.order)]
        return
    z = np.empty(out.shape)
    _shifted(z, cells, source, first)
    fused.apply([z], np.ones(1), out=out, log=True)
