"""Cells read again in float64, normalised by compiled kernels, for who looks at every probability.

Reading logits in place is quickest, but float32 cells are then exponentiated in float32. Scores
count rows between thresholds, which such rounding would move from one bin to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..families.lazy import Lazy, Rows
from ..families.logits import Logits
from ..kernels import fused
from ..kernels.arrays import common_dtype, plain_layout
from ..kernels.threads import in_threads
from .cells import Cells, Source

Array = NDArray[np.float64]

#: Cells that a thread converts at a time: they stay in its second-level cache.
_SPAN_CELLS = 1 << 16
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
                self._fill(out, blocks, rows.start, (a, b), _log_p)
                f(slice(rows.start + a, rows.start + b), out)

            in_threads(work, _spans(rows.stop - rows.start, size), self.threads)

    def _filled(self, what: _Filler) -> Iterator[tuple[slice, Array]]:
        """Yield blocks small enough for the allocator to use the same memory again."""
        width = self.shape[0] * self.shape[2]
        for rows, blocks in self.cells.raw():
            for first, last in _spans(rows.stop - rows.start, max(1, _BLOCK_CELLS // width)):
                out = self._empty(last - first)
                work = partial(self._fill_between, out, blocks, rows.start, first, what)
                spans = _spans(last - first, max(1, _SPAN_CELLS // width))
                in_threads(work, spans, self.threads)
                yield slice(rows.start + first, rows.start + last), out

    def _empty(self, n: int) -> Array:
        return np.empty((self.shape[0], n, self.shape[2]))

    def _fill_between(
        self, out: Array, blocks: list[NDArray[Any]], start: int, by: int, what: _Filler, *ab: int
    ) -> None:
        a, b = ab
        self._fill(out[:, a:b], blocks, start, (by + a, by + b), what)

    def _fill(
        self,
        out: Array,
        blocks: list[NDArray[Any]],
        start: int,
        span: tuple[int, int],
        what: _Filler,
    ) -> None:
        """Set rows of all models from those of blocks whose first one has the number ``start``."""
        first, last = span
        for own, x, source in zip(out, blocks, self.cells.sources, strict=True):
            what(own, x[first:last], source, start + first)


def _spans(n: int, size: int) -> list[tuple[int, int]]:
    return [(first, min(n, first + size)) for first in range(0, n, size)]


#: What sets rows of one model, read from its cells, the first of which has that number.
_Filler = Callable[[Array, NDArray[Any], Source, int], None]


def _shifted(out: Array, cells: NDArray[Any], source: Source, first: int) -> None:
    """Take off each row's largest logit: of one that is sure of a class, 0 is left, exactly.

    Else logits of 300 would scatter its probability by 1e-14 around 1, and ties be none.
    """
    from ..kernels.less_top import less_top

    ordered = cells if source.order is None else cells[:, list(source.order)]
    less_top(plain_layout(ordered, common_dtype([ordered])), out)


def _log_p(out: Array, cells: NDArray[Any], source: Source, first: int) -> None:
    if cells.shape[1] == 1 or source.kind not in ("logits", "log-probabilities"):
        out[:] = source.log_p(cells, first)
        return
    z = np.empty(out.shape)
    _shifted(z, cells, source, first)
    fused.apply([z], np.ones(1), out=out, log=True)
