"""Predictions that are read, checked and given away again a block of rows at a time.

For pooling rows with known weights, which needs each of them once: every block goes the way that
all rows would go, so a row becomes the same whatever the blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..kernels.warm import loading
from .classes import Label
from .columns import Reading
from .copied import copy_of
from .gather import opened, predictions_of
from .inputs import GiveBack, stays_in_files
from .lazy import LazyValues
from .predictions import Predictions
from .rows import Alignment
from .side_by_side import Beside, side_by_side
from .spool import spooled
from .table import Table
from .together import together

#: Bytes of a block per cell: as they are, the block read ahead, float64 and temporaries of it.
_CELL_BYTES = 40
#: Cells of a block where the budget allows more: enough for calls to cost nothing.
_CELLS = 1 << 22
#: Cells of a block that compiled kernels are worth: they are loaded once for all blocks.
_WORTHWHILE = 1 << 16


class Piecewise:
    """Predictions of several models, of which only blocks of rows are ever in memory.

    Parameters
    ----------
    inputs, reading, row, threads
        As for :func:`~opinionpool.predictions.gather.gather`; kinds must be known.
    memory
        Bytes that blocks may take.

    Attributes
    ----------
    names, columns, n_rows, ids, dtype
        As of :class:`~opinionpool.predictions.predictions.Predictions`.
    """

    def __init__(
        self, inputs: object, reading: Reading, *, memory: int, row: bool = False, threads: int = 1
    ) -> None:
        self._loaded = loading(stays_in_files(inputs, memory))
        self._given = opened(inputs, reading, row=row, memory=memory)
        self._threads, self._memory = threads, memory
        alignment = self._given.alignment
        self.n_rows, self.ids = alignment.n_rows, alignment.ids
        self._tables = {
            name: _in_order(table, positions, memory)
            for (name, table), positions in zip(
                self._given.tables.items(), alignment.positions, strict=True
            )
        }
        self._scores = None
        if self._given.scores is not None:
            scores = zip(self._given.scores.items(), alignment.positions, strict=True)
            self._scores = {
                name: own if p is None else _chosen(own[:, None], p)[:, 0]
                for (name, own), p in scores
            }

    @property
    def names(self) -> tuple[str, ...]:
        """Of the models."""
        return tuple(self._tables)

    @property
    def columns(self) -> tuple[Label, ...]:
        """Names of what a result has per row."""
        return self._given.columns

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of results: float32 when all inputs are, else float64."""
        return self._given.dtype

    @property
    def give_back(self) -> GiveBack:
        """How a result becomes what the caller works with."""
        return self._given.give_back

    @property
    def step(self) -> int:
        """Rows of a block."""
        width = len(self._tables) * len(self.columns)
        return max(1, min(_CELLS, self._memory // _CELL_BYTES) // width)

    def values(self) -> Iterator[tuple[str, NDArray[Any] | LazyValues]]:
        """Yield every model's name and cells."""
        for name, table in self._tables.items():
            yield name, table.values

    def blocks(self, first: int = 0, last: int | None = None) -> Iterator[Predictions]:
        """Yield blocks of :attr:`step` rows from row ``first`` to ``last``, read ahead."""
        end = self.n_rows if last is None else last
        starts = range(first, end, self.step)
        ready = self._ready(first, end)
        self._loaded()
        cells = together(ready, self.step, self._threads)
        try:
            for start, block in zip(starts, cells, strict=True):
                yield self._block(start, block)
                del block
        finally:
            cells.close()

    def _ready(self, first: int, last: int) -> dict[str, Any]:
        """Return what every model's rows are read from: a plain copy where their file is cramped.

        Side by side, each file has its share of what blocks leave of the memory. Where that is too
        little to decode from, copies are made by as many threads as there may be.
        """
        tables = list(self._tables.values())
        blocks = _CELL_BYTES * self.step * len(tables) * len(self.columns)
        buffers, workers = self._memory // 2, min(self._threads, len(tables))
        share = max(buffers, self._memory - blocks) // len(tables)

        def work(i: int, beside: Beside) -> Any:
            values = tables[i].values
            if not isinstance(values, LazyValues):
                return values[first:last]
            some = values.rows(first, last).within(share)
            copy = copy_of(some) if some.cramped else None
            if copy is not None:
                copy.fill(some.within(buffers // workers).serial(), beside)
            return some if copy is None else copy

        return dict(zip(self._tables, side_by_side(work, len(tables), workers), strict=True))

    def _block(self, start: int, cells: dict[str, NDArray[Any]]) -> Predictions:
        n = len(next(iter(cells.values())))
        rows = slice(start, start + n)
        tables = {
            name: table.rows(rows.start, rows.stop, cells[name])
            for name, table in self._tables.items()
        }
        ids = None if self.ids is None else self.ids[rows]
        scores = self._scores and {name: own[rows] for name, own in self._scores.items()}
        given = replace(
            self._given,
            tables=tables,
            alignment=Alignment(n, ids, [None] * len(tables)),
            scores=scores,
        )
        found, _ = predictions_of(given, lazily=True, large=_WORTHWHILE, threads=self._threads)
        return found


def _in_order(table: Table, positions: NDArray[np.int64] | None, memory: int) -> Table:
    """Return a table with one row per common row, NaN where it has none; files stay files."""
    if positions is None:
        return table
    values: Any = table.values
    if isinstance(values, LazyValues):
        values = spooled(values, positions, max(1 << 20, memory // 4))
    else:
        values = _chosen(values, positions)
    # Companions stay with the rows they came with; messages name rows by number.
    return Table(values, table.where, table.columns)


def _chosen(values: NDArray[Any], positions: NDArray[np.int64]) -> NDArray[Any]:
    chosen = values[positions]
    chosen[positions < 0] = np.nan
    return chosen
