"""Cells: what models said, left where it is, and given its meaning one block of rows at a time.

Large predictions are not worth a normalised copy: the log rule takes raw logits as they are
(maths.md §2), and every pass may as well read the caller's arrays, or files, in place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..families.lazy import Lazy, Rows, Taken, as_array
from ..families.logits import Logits, made
from .kinds import as_logits, log_probabilities, presence
from .lazy import LazyValues, ahead
from .table import Table

Array = NDArray[np.float64]

#: Cells of all models in one block, unless a budget of memory says fewer: as float64 with its
#: temporaries a hundred megabytes, enough for the calls around it to cost nothing.
BLOCK_CELLS = 1 << 22
#: Bytes per cell of a block that is used as it is: it, the one read ahead and the one being read;
#: and of one that becomes normalised float64, with temporaries.
_RAW, _NORMALISED = 12, 40


@dataclass(frozen=True)
class Source:
    """One model's outputs, and how to read them.

    Attributes
    ----------
    table
        Its values may be an array or stay in a file.
    kind
        What the cells are; None where the model answered nothing.
    order
        The table's columns in the order of the classes, None where they are in it.
    positions
        (N,) the table's row for each common row, −1 for none; None where they are the same.
    renormalise
        Whether rows of probabilities may have any sum.
    """

    table: Table
    kind: str | None
    order: tuple[int, ...] | None = None
    positions: NDArray[np.int64] | None = None
    renormalise: bool = False

    @property
    def raw(self) -> bool:
        """Whether the log rule may use the cells as they are."""
        several = self.table.values.shape[1] > 1
        return several and self.order is None and self.kind in ("logits", "log-probabilities")

    def placed(self, checksum: int) -> int:
        """Return the checksum of the cells together with what else they become distributions by.

        The same cells under other classes, or in other rows, say something else, and logits
        something else than probabilities.
        """
        shares = self.kind == "probabilities"
        if not shares and self.order is None and self.positions is None:
            return checksum
        digest = hashlib.blake2b(repr((shares, self.order)).encode(), digest_size=8)
        if self.positions is not None:
            digest.update(np.ascontiguousarray(self.positions).data)
        return (checksum + int.from_bytes(digest.digest(), "little")) % (1 << 64)

    @property
    def in_memory(self) -> bool:
        """Whether any row can be had at once."""
        return isinstance(self.table.values, np.ndarray)

    def scan(self, step: int, n_rows: int) -> Iterator[NDArray[Any]]:
        """Yield the cells of consecutive common rows, NaN in those that the model lacks."""
        values, positions = self.table.values, self.positions
        if isinstance(values, LazyValues):
            assert positions is None  # else these rows were put in order before
            yield from values.scan(step)
            return
        for first in range(0, n_rows, step):
            yield self.cells(slice(first, first + step))

    def cells(self, rows: slice, into: NDArray[Any] | None = None) -> NDArray[Any]:
        """Return the cells of consecutive common rows of a model in memory.

        They may be written into an array, if it has room for them as they are.
        """
        values, positions = self.table.array, self.positions
        if positions is None:
            return values[rows]
        here = positions[rows]
        room = into if into is not None and into.shape[1] == values.shape[1] else None
        # Wrapping round finds something for -1 too, and needs no buffer.
        block = values.take(here, axis=0, out=room, mode="wrap")
        if here.min(initial=0) < 0:
            block[here < 0] = np.nan
        return block

    def take(self, rows: Rows, numbers: NDArray[np.int64]) -> Source:
        """Return some rows, with these numbers; in memory a slice is a view where it may be one."""
        if self.positions is None and isinstance(rows, slice):
            return self.read(self.table.array[rows])
        return replace(self, positions=numbers if self.positions is None else self.positions[rows])

    def read(self, cells: NDArray[Any]) -> Source:
        """Return the source of rows that were read, in memory."""
        return replace(self, table=Table(cells, self.table.where), positions=None)

    def block(self, cells: NDArray[Any], first: int) -> Table:
        """Return the rows from ``first`` on as a table of their own, for messages."""
        if self.positions is None:
            return self.table.rows(first, first + len(cells), cells)
        return replace(
            self.table, values=cells, ids=None, labels=None, index=None, extras={}, first_row=first
        )

    def log_p(self, cells: NDArray[Any], first: int) -> Array:
        """Return normalised (n, K) log-probabilities, NaN in rows without an answer."""
        if self.kind is None:
            return np.full((len(cells), max(2, cells.shape[1])), np.nan)
        table = self.block(cells, first)
        here = presence(table)
        log_p = log_probabilities(table, here, self.kind, renormalise=self.renormalise)
        return log_p if self.order is None else np.asarray(log_p[:, list(self.order)])

    def logits(
        self, cells: NDArray[Any], first: int, into: NDArray[Any] | None = None
    ) -> NDArray[Any]:
        """Return what the log rule may use: these cells, if they were found to be good."""
        if self.raw:
            return cells
        if self.kind is None:
            return self.log_p(cells, first)
        if self.order is None:
            return as_logits(cells, self.kind, into)
        return np.asarray(as_logits(cells, self.kind)[:, list(self.order)])


class Cells(Lazy):
    """The parameters of M models for N rows and K classes, where they are.

    Parameters
    ----------
    sources
        The models'.
    shape
        (M, N, K).
    budget
        Bytes that blocks and their temporaries may take; None for the usual size of blocks.
    zeros
        How many exact zeros there are, None where nobody counted.
    checksums
        (M,) of the models' cells, where they are known.
    spread
        (M,) the models' largest differences between two finite logits of a row, where known.
    reads
        One number, shared with whom these come from: how often all rows were read.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        shape: tuple[int, int, int],
        budget: int | None = None,
        zeros: int | None = None,
        checksums: tuple[int, ...] | None = None,
        spread: Array | None = None,
        reads: list[int] | None = None,
    ) -> None:
        self.sources, self.shape, self.budget = tuple(sources), shape, budget
        self.zeros, self.checksums, self.spread = zeros, checksums, spread
        self._reads = [0] if reads is None else reads

    @property
    def reads(self) -> int:
        """How often all rows were read."""
        return self._reads[0]

    def used_in_place(self) -> None:
        """Count a reading of :attr:`in_place`."""
        self._reads[0] += 1

    def step(self, cell_bytes: int) -> int:
        """Return the rows of a block, each cell of which takes so many bytes all in all."""
        m, _, k = self.shape
        cells = BLOCK_CELLS
        if self.budget is not None:  # half of it is the readers'
            cells = min(cells, self.budget // 2 // cell_bytes)
        return max(1, cells // (m * k))

    def affords(self, row_bytes: int) -> bool:
        """Whether so many bytes per row fit into half of the budget."""
        return self.budget is None or row_bytes * self.shape[1] <= self.budget // 2

    @property
    def in_place(self) -> Logits | None:
        """M arrays in memory, logits of all rows; None where there are none."""
        if self.ready is not None:
            return self.ready
        ready = (s.raw and s.positions is None and s.in_memory for s in self.sources)
        return [s.table.array for s in self.sources] if all(ready) else None

    @property
    def at_hand(self) -> bool:
        """Whether all models are in memory."""
        return self.ready is not None or all(s.in_memory for s in self.sources)

    def logits_of(self, rows: slice, into: Logits | None = None) -> Logits:
        """Return logits of consecutive rows of models in memory."""
        if self.ready is not None:
            return super().logits_of(rows)
        return self._made(rows, into, [False] * len(self.sources))

    @property
    def shares(self) -> list[bool] | None:
        """Which models' cells are probabilities of two classes or more."""
        found = [s.kind == "probabilities" and s.table.values.shape[1] > 1 for s in self.sources]
        return found if any(found) and self.ready is None else None

    def cells_of(self, rows: slice, into: Logits | None = None) -> Logits:
        """Return the cells of probabilities, by class, and the logits of others."""
        shares = self.shares
        if shares is None:
            return self.logits_of(rows, into)
        return self._made(rows, into, shares)

    def _made(self, rows: slice, into: Logits | None, shares: list[bool]) -> Logits:
        """Return what :meth:`logits_of` does, but probabilities as they are of some models."""
        room = [None] * len(self.sources) if into is None else into
        cells = [s.cells(rows, out) for s, out in zip(self.sources, room, strict=True)]
        return self._as_meant(cells, rows.start, shares, into)

    def _as_meant(
        self, cells: Logits, first: int, shares: Sequence[bool], into: Logits | None
    ) -> Logits:
        """Return the logits of rows that were read, but probabilities by class of some models."""
        room = [None] * len(cells) if into is None else into
        found = []
        for source, x, share, out in zip(self.sources, cells, shares, room, strict=True):
            if not share:
                x = source.logits(x, first, out)
            elif source.order is not None:
                x = x[:, list(source.order)]
            found.append(x)
        return found

    def models(self, chosen: Sequence[int] | NDArray[np.int64]) -> Cells:
        """Return some models: the others are not read."""
        sources = [self.sources[int(i)] for i in chosen]
        some = Cells(sources, (len(sources), *self.shape[1:]), self.budget, reads=self._reads)
        return some._knowing([int(i) for i in chosen], self)

    def arranged(self, order: Sequence[int | None]) -> Cells:
        """Return models in another order; None stands for one that answered nothing."""
        given = [i for i in order if i is not None]
        if len(given) == len(order):
            return self.models(given)
        nothing = replace(self.sources[0], kind=None)
        sources = [nothing if i is None else self.sources[i] for i in order]
        none = 0 if self.zeros == 0 else None
        return Cells(sources, (len(sources), *self.shape[1:]), self.budget, none, reads=self._reads)

    def take(self, rows: Rows) -> Lazy:
        """Return some rows: of arrays in memory, only these are read."""
        numbers = _numbers(rows, self.shape[1])
        if not all(source.in_memory for source in self.sources):
            return _Chosen(self, numbers)
        sources = [s.take(rows, numbers) for s in self.sources]
        m, _, k = self.shape
        none = 0 if self.zeros == 0 else None
        spread = self.spread  # at most that of all
        # What is the same in all rows is in some. (Models that differ elsewhere only: who knows.)
        taken = Cells(
            *(sources, (m, len(numbers), k), self.budget, none, self.checksums, spread),
            reads=self._reads,
        )
        # A choice of rows is a copy of them, a slice is none.
        taken.ready = self.ready and [x[rows] for x in self.ready]
        return taken

    def held(self, threads: int = 1) -> Array:
        """Return the same with the cells in memory, as they are."""
        if self.at_hand:
            return super().held(threads)
        return as_array(self.of(self.raw(), self.shape[1]))

    def of(self, blocks: Iterator[tuple[slice, list[NDArray[Any]]]], n_rows: int) -> Cells:
        """Return cells that are read, consecutive rows of every model, as they are."""
        # Filled as they come: blocks that waited to be joined would be in memory twice.
        tables = [source.table.values for source in self.sources]
        held = [np.empty((n_rows, own.shape[1]), own.dtype) for own in tables]
        for rows, block in blocks:
            for whole, own in zip(held, block, strict=True):
                whole[rows] = own
        sources = [source.read(own) for source, own in zip(self.sources, held, strict=True)]
        m, _, k = self.shape
        none = 0 if self.zeros == 0 else None
        return Cells(sources, (m, n_rows, k), None, none, self.checksums, self.spread)

    def parts(self) -> Iterator[tuple[slice, Array]]:
        """Yield consecutive rows and their normalised log-probabilities."""
        for rows, blocks in self.raw(_NORMALISED):
            own = [s.log_p(x, rows.start) for s, x in zip(self.sources, blocks, strict=True)]
            yield rows, np.stack(own)

    def logits(self, threads: int = 1) -> Iterator[tuple[slice, Logits]]:
        """Yield consecutive rows and arrays that the log rule may use."""
        ready = all(s.raw for s in self.sources)
        for rows, blocks in self.raw(_RAW if ready else _NORMALISED):
            if ready:
                yield rows, blocks
                continue

            def own(
                some: slice, into: Logits | None, first: int = rows.start, cells: Logits = blocks
            ) -> Logits:
                block = [x[some] for x in cells]
                return self._as_meant(block, first + some.start, [False] * len(block), into)

            yield rows, made(own, rows.stop - rows.start, threads)

    def as_given(self, threads: int = 1) -> Iterator[tuple[slice, Logits]]:
        """Yield consecutive rows of probabilities as they are, and of logits."""
        shares = self.shares
        if shares is None:
            yield from self.logits(threads)
        elif all(s.in_memory and s.positions is None and s.order is None for s in self.sources):
            self.used_in_place()
            every = slice(0, self.shape[1])
            yield every, self._made(every, None, shares)
        else:
            for rows, blocks in self.raw(_NORMALISED):
                yield rows, self._as_meant(blocks, rows.start, shares, None)

    def raw(self, cell_bytes: int = _RAW) -> Iterator[tuple[slice, list[NDArray[Any]]]]:
        """Yield consecutive rows and every model's cells; files are read ahead."""
        self._reads[0] += 1
        blocks = self._scan(self.step(cell_bytes))
        if not all(source.in_memory for source in self.sources):
            blocks = ahead(blocks)
        yield from blocks

    def _scan(self, step: int) -> Iterator[tuple[slice, list[NDArray[Any]]]]:
        n = self.shape[1]
        scans = [source.scan(step, n) for source in self.sources]
        for first in range(0, n, step):
            yield slice(first, min(n, first + step)), [next(scan) for scan in scans]


def _numbers(rows: Rows, n: int) -> NDArray[np.int64]:
    """Return the numbers of some of n rows."""
    return np.arange(*rows.indices(n)) if isinstance(rows, slice) else np.arange(n)[rows]


class _Chosen(Taken):
    """Some rows of cells in files."""

    base: Cells

    def held(self, threads: int = 1) -> Array:
        """Return the same with the cells in memory, as they are; the files are read once."""
        if not self.ascending:
            return super().held(threads)
        return as_array(self.base.of(self.chosen(self.base.raw()), len(self.rows)))
