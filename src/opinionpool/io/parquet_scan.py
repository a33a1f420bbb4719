"""Blocks of rows of one Parquet file, with a bound on what is decoded at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..predictions.buffers import Buffers
from ..predictions.lazy import Block, Blocks, LazyValues
from ..predictions.pieces import cut, lengths
from ..predictions.version import Version
from .parquet import Opened, array_of
from .staging import InMemory, OnDisk

#: Read from the file at a time, per column in flight. Without a buffer it is a whole column of a
#: row group; with less than this the system is asked too often (100,000 x 1,000 float32, snappy,
#: 128 columns at a time: 0.83 GB/s against 0.61 unbuffered).
_BUFFER = 1 << 16
#: The largest page, and dictionary, that writers make unless told otherwise.
_PAGE = 1 << 20
#: Columns decoded together, where not all of them are. Fewer cost a start each, more fall out of
#: the cache when they are put in rows (0.56, 0.61 and 0.50 GB/s with 16, 64 and 256).
_PORTION, _FEW = 64, 16
#: Rows of a batch: every column of every batch costs some 8 µs (8 models of 1,000 float32 columns,
#: two threads: 0.22 GB/s in batches of 524 rows, 1.1 GB/s in batches of 8,388).
_ROWS = 1 << 13
_LIMIT = 1 << 27
#: Row groups that are decoded together, where a portion of the columns is at a time: larger ones
#: only leave the cache and ask the system for more fresh memory (100,000 x 1,000 float32, one
#: thread: 1.3 GB/s in bands of 32 MB).
_BAND = 1 << 25
#: Columns are put in rows so many bytes at a time, which stay in a core's second-level cache.
_TILE = 1 << 20


class ParquetValues(LazyValues):
    """Columns of one file as rows.

    Parquet stores a row group column by column, and every column that is being decoded holds
    a page and perhaps a dictionary, up to 1 MB each, in memory. Where all columns together are
    within the limit they are decoded side by side. Otherwise they are decoded a portion after the
    other, several row groups at a time, and put together in memory; or in a temporary file where
    a single row group is larger than half of the limit. That costs writing and reading the group
    once more.
    """

    def __init__(
        self,
        path: Path,
        names: Sequence[str],
        dtype: np.dtype[Any],
        groups: Sequence[int],
        packed: int,
        dictionaries: bool,
        version: Version,
        limit: int = _LIMIT,
        *,
        threads: bool = True,
    ) -> None:
        super().__init__((sum(groups), len(names)), dtype, str(path))
        self._path, self._names, self._groups = path, list(names), list(groups)
        self._packed, self._dictionaries, self._version = packed, dictionaries, version
        self._limit, self._threads = limit, threads

    @property
    def overhead(self) -> int:
        """What the columns in flight take, or the limit."""
        return min(self.shape[1] * self._column(0), self._limit)

    @property
    def costly(self) -> bool:
        """Columns are decoded and put in rows: about 1 GB/s."""
        return True

    @property
    def cramped(self) -> bool:
        """Whether a row group goes through a temporary file, or few of its columns at a time."""
        tall = max(self._groups, default=0)
        if self._holds_all(self._batch(0)):
            return False
        return not (self._holds_staged(tall) and self._holds_few(tall))

    def within(self, n_bytes: int) -> ParquetValues:
        """Return the same with another limit; a portion has at least one column."""
        return self._read(n_bytes, threads=self._threads)

    def serial(self) -> ParquetValues:
        """Return the same without the threads of pyarrow."""
        return self._read(self._limit, threads=False)

    def _read(self, limit: int, *, threads: bool) -> ParquetValues:
        pages = (self._packed, self._dictionaries)
        facts = (self._path, self._names, self.dtype, self._groups, *pages, self._version)
        return ParquetValues(*facts, limit, threads=threads)

    def scan(self, step: int, first: int = 0) -> Blocks:
        """Yield blocks of rows."""
        self._version.check(self._path)
        buffers = Buffers()
        pieces = self._pieces(step, first, buffers)
        try:
            yield from cut(pieces, lengths(len(self) - first, step), self.where, buffers)
        finally:
            pieces.close()

    def _column(self, step: int) -> int:
        """Bytes that a column in flight holds: page, dictionary, buffer, and two of a batch."""
        pages = 2 if self._dictionaries else 1
        return pages * min(self._packed, _PAGE) + _BUFFER + 2 * step * self.dtype.itemsize

    def _batch(self, step: int) -> int:
        """Rows that are decoded together where all columns are: at least what that is worth."""
        return max(step, min(_ROWS, max(self._groups, default=0)))

    def _holds_all(self, tall: int) -> bool:
        """Whether batches of so many rows of every column are within the limit."""
        return self.shape[1] * self._column(tall) <= self._limit

    def _holds_few(self, tall: int) -> bool:
        """Whether those of some columns are, beside what is staged."""
        return _FEW * self._column(tall) <= self._limit // 4

    def _holds_staged(self, rows: int) -> bool:
        """Whether so many rows can be put together in memory."""
        return rows * self.shape[1] * self.dtype.itemsize <= self._limit // 2

    def _pieces(self, step: int, first: int, buffers: Buffers) -> Blocks:
        k, tall = self.shape[1], self._batch(step)
        start = 0
        while start < len(self._groups) and first >= self._groups[start]:
            first -= self._groups[start]
            start += 1
        groups = list(range(start, len(self._groups)))
        if not groups:
            return
        with Opened(self._path, _BUFFER) as file:
            if self._holds_all(tall):
                yield from _dropped(self._batches(file, groups, (0, k), tall, buffers), first)
                return
            done = 0
            for band in self._bands(groups):
                # A portion is narrow: all of a row group at a time costs fewer starts per column.
                tall = max(step, max(self._groups[i] for i in band))
                if not self._holds_few(tall):
                    tall = step
                portion = max(1, min(_PORTION, self._limit // 4 // self._column(tall)))
                n = sum(self._groups[i] for i in band) - first
                # Cut where the caller's blocks are, most of which are then never copied.
                rest = min(n, step - done % step)
                sizes = [rest, *lengths(n - rest, step)]
                yield from self._band(file, band, first, sizes, (portion, tall), buffers)
                done, first = done + n, 0

    def _bands(self, groups: Sequence[int]) -> Iterator[list[int]]:
        """Put row groups together as far as half of the limit holds them."""
        most = min(_BAND, self._limit // 2) // (self.shape[1] * self.dtype.itemsize)
        band: list[int] = []
        rows = 0
        for i in groups:
            if not self._groups[i]:
                continue
            if band and rows + self._groups[i] > most:
                yield band
                band, rows = [], 0
            band.append(i)
            rows += self._groups[i]
        if band:
            yield band

    def _band(
        self,
        file: Any,
        band: list[int],
        skip: int,
        sizes: list[int],
        tile: tuple[int, int],
        buffers: Buffers,
    ) -> Blocks:
        k, (portion, tall) = self.shape[1], tile
        staged: InMemory | OnDisk
        if self._holds_staged(sum(sizes)):
            staged = InMemory(sizes, k, self.dtype, buffers)
        else:
            staged = OnDisk(sizes, k, self.dtype, self.where)
        with staged:
            for column in range(0, k, portion):
                batches = self._batches(file, band, (column, column + portion), tall, buffers)
                tiles = cut(_dropped(batches, skip), sizes, self.where)
                for number, own in enumerate(tiles):
                    staged.put(number, column, own)
                    del own
            for number in range(len(sizes)):
                yield staged.take(number)

    def _batches(
        self, file: Any, groups: list[int], columns: tuple[int, int], step: int, buffers: Buffers
    ) -> Blocks:
        names = self._names[slice(*columns)]
        batches = file.iter_batches(
            step, row_groups=groups, columns=names, use_threads=self._threads
        )
        for batch in batches:
            if batch.num_rows:
                # Whatever order, and whatever columns besides, a reader takes names to mean.
                yield _floats(batch.select(names), self.dtype, buffers)


def _dropped(pieces: Blocks, n: int) -> Blocks:
    """Leave the first ``n`` rows out."""
    for piece in pieces:
        if n < len(piece):
            yield piece[n:]
        n = max(0, n - len(piece))
        del piece


def _floats(batch: Any, dtype: np.dtype[Any], buffers: Buffers) -> Block:
    import pyarrow as pa

    own = pa.from_numpy_dtype(dtype)
    n, k = batch.num_rows, batch.num_columns
    rows: Block = buffers.take((n, k), dtype)
    if all(kind == own for kind in batch.schema.types):
        # Twice as fast as copying columns one by one (1.7 against 0.9 GB/s at K = 10), and three
        # times a tile at a time.
        step = max(1, _TILE // (k * dtype.itemsize))
        for a in range(0, n, step):
            rows[a : a + step] = batch.slice(a, step).to_tensor(null_to_nan=True).to_numpy()
        return rows
    for j, column in enumerate(batch.columns):
        rows[:, j] = array_of(pa.chunked_array([column]))
    return rows
