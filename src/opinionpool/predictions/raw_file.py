"""Rows of plain arrays in files, by positioned reads: pages of a mapping count as our memory."""

from __future__ import annotations

import mmap
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import FileError
from .buffers import Buffers
from .lazy import Block, Blocks, LazyValues
from .scratch import fill
from .version import Version


class RawValues(LazyValues):
    """A matrix that starts somewhere in a file.

    Columns that lie one after another (Fortran order) are read in as many pieces per block as
    there are columns: 0.8 GB/s instead of 20 from the system's cache, in blocks of 8,192 rows of
    1,000 float32.

    Parameters
    ----------
    path, start
        The file, and how many bytes before the numbers to skip.
    shape
        (N, K), or (N,) for one column.
    dtype
        As in the file: any real numbers, in any byte order.
    by_columns
        Whether columns, not rows, lie together.
    version
        Of the file when it was looked at.
    """

    def __init__(
        self,
        path: Path,
        start: int,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        version: Version,
        *,
        by_columns: bool = False,
    ) -> None:
        n, k = (*shape, 1)[:2]
        super().__init__((n, k), floats_for(dtype), str(path))
        self._path, self._start, self._version, self._raw = path, start, version, dtype
        self._by_columns = by_columns and k > 1

    def scan(self, step: int, first: int = 0) -> Blocks:
        """Yield blocks of rows as native floats."""
        self._version.check(self._path)
        buffers = Buffers()
        try:
            with open(self._path, "rb", buffering=0) as stream:
                for a in range(first, len(self), step):
                    yield self._block(stream, a, min(a + step, len(self)), buffers)
        except OSError as error:
            raise FileError(f"cannot read {self._path}: {error.strerror or error}") from error

    def _block(self, stream: FileIO, first: int, last: int, buffers: Buffers) -> Block:
        n, k = self.shape
        size = self._raw.itemsize
        if self._by_columns:
            columns = buffers.take((k, last - first), self._raw)
            for j in range(k):
                stream.seek(self._start + (j * n + first) * size)
                fill(stream, columns[j], self.where)
            return np.ascontiguousarray(columns.T, self.dtype)
        rows = buffers.take((last - first, k), self._raw)
        stream.seek(self._start + first * k * size)
        fill(stream, rows, self.where)
        return rows.astype(self.dtype, copy=False)


def floats_for(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the floats that numbers of a file become, as they do when it is read whole."""
    narrow = dtype.kind == "f" and dtype.itemsize <= np.dtype(np.float32).itemsize
    return np.dtype(np.float32 if narrow else np.float64)


def mapped_file(array: object, where: str) -> RawValues | None:
    """Return a memory-mapped array, or a contiguous part of one, as what it is: a file.

    None for any other array, and for a private mapping that may differ from its file.
    """
    if not isinstance(array, np.ndarray) or array.ndim not in (1, 2) or not array.size:
        return None
    root: NDArray[Any] = array
    while isinstance(root.base, np.ndarray):
        root = root.base
    if not isinstance(root, np.memmap) or not isinstance(root.base, mmap.mmap):
        return None
    whole = array.flags.c_contiguous or array.flags.f_contiguous
    if root.mode not in ("r", "r+") or root.filename is None or not whole:
        return None
    if array.dtype.kind not in "fiub":
        return None
    path = Path(root.filename)
    try:
        version = Version.of(path)
    except OSError:  # it was deleted, or renamed: the mapping is all there is
        return None
    start = int(root.offset) + _address(array) - _address(root)
    if start + array.nbytes > version.size:
        return None
    values = RawValues(
        path, start, array.shape, array.dtype, version, by_columns=not array.flags.c_contiguous
    )
    values.where = where
    return values


def _address(array: NDArray[Any]) -> int:
    return int(array.__array_interface__["data"][0])
