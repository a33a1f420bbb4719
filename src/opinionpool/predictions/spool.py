"""Rows of a file put in another order, once, in a temporary file."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .copied import ScratchRows
from .lazy import Block, LazyValues, ahead
from .scratch import empty, writing_scratch

Rows = NDArray[np.signedinteger[Any]]

_CHUNK = 1 << 20  # positions looked at together: their temporaries count in the budget


def spooled(values: LazyValues, positions: NDArray[np.int64], budget: int = 1 << 28) -> LazyValues:
    """Return rows in another order, put there once and for all.

    Every scan of the result then reads one file from its start to its end. Putting N rows in
    order costs reading ``values`` once, writing N rows twice and reading them once in between
    (each in long runs, in whatever order the rows are), their size on the disk for temporary
    files, and in memory ``budget`` and four bytes for each row of both. A plain range of rows
    costs nothing: it stays where it is.

    Parameters
    ----------
    values
        (n, K), unread.
    positions
        (N,) row of ``values`` for each row of the result, −1 for a row of NaN; distinct otherwise.
    budget
        Bytes of memory for buffers.

    Raises
    ------
    OutputError
        There is no room on the disk; the message says how much is needed, and where.
    """
    n = len(positions)
    first = int(positions[0]) if n else 0
    if first >= 0 and _is_range(positions, first):
        return values.rows(first, first + n)
    wanted: Rows = np.full(len(values), -1, _row_type(n))
    for a in range(0, n, _CHUNK):
        chunk = positions[a : a + _CHUNK]
        known = np.flatnonzero(chunk >= 0)
        wanted[chunk[known]] = a + known
    spool = _Spool(n, values, budget)
    try:
        spool.sort_into_ranges(values, wanted, budget)
        del wanted
        spool.sort_within_ranges()
    except BaseException:
        spool.close()
        raise
    return spool


def _row_type(n: int) -> type[np.signedinteger[Any]]:
    return np.int32 if n < 2**31 else np.int64


def _is_range(positions: NDArray[np.int64], first: int) -> bool:
    return all(
        np.array_equal(positions[a : a + _CHUNK], np.arange(first + a, first + min(a + _CHUNK, n)))
        for n in [len(positions)]
        for a in range(0, n, _CHUNK)
    )


class _Spool(ScratchRows):
    """Rows that are put in order in a temporary file."""

    def __init__(self, n: int, values: LazyValues, budget: int) -> None:
        super().__init__(n, values, f"putting the rows of {values.where} in order")
        # Ranges of the result, each of which is put in order in memory: as read and as wanted.
        self._range = max(1, budget // 2 // 2 // self._row)
        n_ranges = -(-n // self._range)
        # Numbers of 16 bits are sorted by counting, ten times as fast as others.
        self._range_type = np.int16 if n_ranges < 2**15 else np.int64
        #: How many rows of each range have arrived, and which, in the order of arrival.
        self._arrived = np.zeros(n_ranges, np.int64)
        self._who = np.empty(n, _row_type(n))

    def sort_into_ranges(self, values: LazyValues, wanted: Rows, budget: int) -> None:
        """Append every row to the range where it belongs, in the order in which they are read."""
        # A block that is read, one ahead of it, and its rows by range.
        step = max(1, budget // 4 // self._row)
        first = 0
        blocks = ahead(values.within(budget // 4).scan(step))
        try:
            for block in blocks:
                targets = wanted[first : first + len(block)]
                first += len(block)
                ranges: Rows = (targets // self._range).astype(self._range_type)
                chosen = np.argsort(ranges, kind="stable")[int((targets < 0).sum()) :]
                self._append(block[chosen], targets[chosen], ranges[chosen])
                del block
        finally:
            blocks.close()

    def _append(self, rows: Block, targets: Rows, ranges: Rows) -> None:
        bounds = np.searchsorted(ranges, np.arange(len(self._arrived) + 1, dtype=ranges.dtype))
        with writing_scratch(self._what):
            for number, (a, b) in enumerate(pairwise(bounds.tolist())):
                at = number * self._range + int(self._arrived[number])
                self._stream.seek(at * self._row)
                empty(self._stream, rows[a:b])
                self._who[at : at + b - a] = targets[a:b]
                self._arrived[number] += b - a

    def sort_within_ranges(self) -> None:
        """Put the rows of each range in order."""
        for number, count in enumerate(self._arrived.tolist()):
            start = number * self._range
            rows = self.read_raw(start, start + count)
            ordered = np.full(
                (min(self._range, len(self) - start), self.shape[1]), np.nan, self.dtype
            )
            ordered[self._who[start : start + count] - start] = rows
            del rows
            with writing_scratch(self._what):
                self._stream.seek(start * self._row)
                empty(self._stream, ordered)
        del self._who
