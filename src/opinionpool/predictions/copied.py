"""Numbers whose decoding costs, decoded once: a temporary file of them is read from then on."""

from __future__ import annotations

from io import FileIO
from threading import Lock
from weakref import finalize

import numpy as np

from ..errors import OutputError
from .buffers import Buffers
from .lazy import Block, Blocks, LazyValues
from .scratch import empty, fill, scratch_file, writing_scratch
from .side_by_side import Beside

#: Cells that are read and written at a time: they stay in a core's cache meanwhile.
_CELLS = 1 << 20


class ScratchRows(LazyValues):
    """(N, K) numbers, as plain rows, in a temporary file that vanishes with this object.

    Parameters
    ----------
    n
        How many rows there will be.
    values
        Whose numbers they are: K, their type, and how messages name them.
    what
        What the file is for, in messages.
    """

    def __init__(self, n: int, values: LazyValues, what: str) -> None:
        super().__init__((n, values.shape[1]), values.dtype, values.where)
        self._row = max(1, self.shape[1] * self.dtype.itemsize)
        self._what = what
        self._stream: FileIO = scratch_file(n * self._row, what)
        self._lock = Lock()  # scans share the file and its position
        self.close = finalize(self, self._stream.close)

    def read_raw(self, first: int, last: int, buffers: Buffers | None = None) -> Block:
        """Read rows as they lie in the file."""
        shape = (last - first, self.shape[1])
        rows = np.empty(shape, self.dtype) if buffers is None else buffers.take(shape, self.dtype)
        with self._lock:
            self._stream.seek(first * self._row)
            fill(self._stream, rows, self._what)
        return rows

    def scan(self, step: int, first: int = 0) -> Blocks:
        """Yield blocks of rows."""
        buffers = Buffers()
        for a in range(first, len(self), step):
            yield self.read_raw(a, min(a + step, len(self)), buffers)


class Copied(ScratchRows):
    """A plain copy.

    Of a Parquet file with ten float32 columns a scan of the copy takes a twentieth of the time.

    Parameters
    ----------
    values
        What is to be copied, by whoever reads it: see :meth:`append`.
    """

    def __init__(self, values: LazyValues) -> None:
        super().__init__(len(values), values, f"a plain copy of {values.where}")

    def fill(self, values: LazyValues, beside: Beside) -> None:
        """Write all rows, until nobody wants them any more."""
        for _ in self.filling(values.scan(max(1, _CELLS // max(1, self.shape[1])))):
            beside.go_on()

    def append(self, block: Block) -> None:
        """Write the next rows."""
        with writing_scratch(self._what):
            empty(self._stream, np.ascontiguousarray(block, self.dtype))

    def filling(self, blocks: Blocks) -> Blocks:
        """Write blocks that pass by: all rows there are, in order."""
        try:
            for block in blocks:
                self.append(block)
                yield block
                del block
        finally:
            blocks.close()


def copy_of(values: LazyValues) -> Copied | None:
    """Return an empty copy to be filled; None where reading is cheap, or the disk is too full."""
    if not values.costly:
        return None
    try:
        return Copied(values)
    except OutputError:
        return None
