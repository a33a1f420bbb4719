"""Numbers whose decoding costs, decoded once: a temporary file of them is read from then on."""

from __future__ import annotations

from threading import Lock
from weakref import finalize

import numpy as np

from ..errors import OutputError
from .lazy import Block, Blocks, LazyValues
from .scratch import empty, fill, scratch_file, writing_scratch


class Copied(LazyValues):
    """A copy in a temporary file that vanishes with this object, as plain rows.

    Of a Parquet file with ten float32 columns a scan of the copy takes a twentieth of the time.

    Parameters
    ----------
    values
        What is to be copied, by whoever reads it: see :meth:`append`.
    """

    def __init__(self, values: LazyValues) -> None:
        super().__init__(values.shape, values.dtype, values.where)
        self._row = max(1, self.shape[1] * self.dtype.itemsize)
        self._what = f"a plain copy of {values.where}"
        self._stream = scratch_file(len(self) * self._row, self._what)
        self._lock = Lock()  # scans share the file and its position
        self.close = finalize(self, self._stream.close)

    def append(self, block: Block) -> None:
        """Write the next rows."""
        with writing_scratch(self._what):
            empty(self._stream, np.ascontiguousarray(block, self.dtype))

    def scan(self, step: int, first: int = 0) -> Blocks:
        """Yield blocks of rows."""
        for a in range(first, len(self), step):
            block = np.empty((min(step, len(self) - a), self.shape[1]), self.dtype)
            with self._lock:
                self._stream.seek(a * self._row)
                fill(self._stream, block, self._what)
            yield block


def copy_of(values: LazyValues) -> Copied | None:
    """Return an empty copy to be filled; None where reading is cheap, or the disk is too full."""
    if not values.costly:
        return None
    try:
        return Copied(values)
    except OutputError:
        return None
