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
from ..kernels import fused
from ..kernels.threads import in_threads
from .cells import Cells, Source

Array = NDArray[np.float64]

#: Cells of one model that a thread converts at a time: they stay in its second-level cache.
_SPAN_CELLS = 1 << 16


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

    def models(self, chosen: Sequence[int] | NDArray[np.int64]) -> Lazy:
        """Return some models; the others are not read."""
        return Precise(self.cells.models(chosen), self.threads)

    def parts(self) -> Iterator[tuple[slice, Array]]:
        """Yield consecutive rows and their normalised log-probabilities."""
        for rows, blocks in self.cells.raw():
            out = np.empty((len(blocks), rows.stop - rows.start, self.shape[2]))
            self._fill(out, blocks, rows, _log_p)
            yield rows, out

    def logits(self) -> Iterator[tuple[slice, list[NDArray[Any]]]]:
        """Yield consecutive rows and arrays that the log rule may use: in float64 as they are."""
        if not all(source.raw for source in self.cells.sources):
            yield from super().logits()
            return
        for rows, blocks in self.cells.raw():
            out = np.empty((len(blocks), rows.stop - rows.start, self.shape[2]))
            self._fill(out, blocks, rows, _cast)
            yield rows, list(out)

    def _fill(self, out: Array, blocks: list[NDArray[Any]], rows: slice, what: _Filler) -> None:
        n, sources = out.shape[1], self.cells.sources
        size = max(1, _SPAN_CELLS // self.shape[2])

        def work(first: int, last: int) -> None:
            for own, x, source in zip(out, blocks, sources, strict=True):
                what(own[first:last], x[first:last], source, rows.start + first)

        spans = [(first, min(n, first + size)) for first in range(0, n, size)]
        in_threads(work, spans, self.threads)


#: What sets rows of one model, read from its cells, the first of which has that number.
_Filler = Callable[[Array, NDArray[Any], Source, int], None]


def _cast(out: Array, cells: NDArray[Any], source: Source, first: int) -> None:
    out[:] = cells


def _log_p(out: Array, cells: NDArray[Any], source: Source, first: int) -> None:
    if cells.shape[1] == 1 or source.kind not in ("logits", "log-probabilities"):
        out[:] = source.log_p(cells, first)
        return
    ordered = cells if source.order is None else cells[:, list(source.order)]
    fused.apply([ordered.astype(np.float64)], np.ones(1), out=out, log=True)
