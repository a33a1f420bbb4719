"""NumPy's .npy: one array, mapped instead of read, never unpickled."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from ..errors import FileError, InputError
from ..memory import require
from .base import Columns, Format

_BLOCK = 1 << 20  # cells of a matrix that are put together at a time when it is written


class Header(NamedTuple):
    """What an .npy says about itself before its data."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]

    @property
    def n_bytes(self) -> int:
        """Size of the data in exact integers: a hostile shape must not overflow."""
        return math.prod(self.shape) * self.dtype.itemsize

    def __str__(self) -> str:
        return f"{' x '.join(map(str, self.shape)) or 'one'} {self.dtype}"


def read_header(stream: IO[bytes], where: str) -> Header:
    """Read and judge the header of an .npy, leaving the stream at the data."""
    try:
        version = npy_format.read_magic(stream)
        if version == (1, 0):
            header = Header(*npy_format.read_array_header_1_0(stream))
        elif version == (2, 0):
            header = Header(*npy_format.read_array_header_2_0(stream))
        else:  # (3, 0) exists for the field names of structured arrays alone
            raise ValueError(f"format version {version}")
    except Exception as error:  # damaged headers fail in many ways: whatever it is, say so
        raise FileError(f"{where} is not a readable .npy array: {error}") from error
    if header.dtype.hasobject:
        raise FileError(
            f"{where} holds Python objects (a pickle), which could run code and are never "
            f"loaded: save numbers or text (dtype float, int or str)"
        )
    if header.dtype.kind not in "fiubUSM":
        raise FileError(
            f"{where}: found dtype {header.dtype}, where numbers or text belong "
            f"(float, int, bool, str)"
        )
    if any(length < 0 for length in header.shape):
        raise FileError(f"{where}: found the impossible shape {header.shape}")
    return header


def plain(array: NDArray[Any], where: str) -> NDArray[Any]:
    """Text instead of bytes, and numbers in the byte order of this machine."""
    if array.dtype.kind == "S":
        try:
            return np.char.decode(array, "utf-8")
        except UnicodeDecodeError as error:
            raise FileError(f"{where}: found bytes that are no UTF-8 text: {error}") from error
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def checked_header(stream: IO[bytes], path: Path) -> Header:
    """Read the header of a file and compare what it promises with what is there."""
    header = read_header(stream, str(path))
    there = path.stat().st_size - stream.tell()
    if there < header.n_bytes:
        raise FileError(
            f"{path} is truncated: its header promises {header} = {header.n_bytes:,} "
            f"bytes of data, found {there:,}"
        )
    return header


def read_npy(path: Path) -> NDArray[Any]:
    """Map numbers read-only into memory; read text."""
    where = str(path)
    with open(path, "rb") as stream:
        header = checked_header(stream, path)
        start = stream.tell()
        # A mapping allocates nothing, but whoever uses all of it does.
        require(header.n_bytes, f"reading {where} ({header})")
        if header.n_bytes == 0 or header.dtype.kind in "US" or not header.dtype.isnative:
            stream.seek(0)
            return plain(npy_format.read_array(stream, allow_pickle=False), where)
    mapped = np.memmap(
        path,
        mode="r",
        dtype=header.dtype,
        shape=header.shape,
        offset=start,
        order="F" if header.fortran else "C",
    )
    return np.asarray(mapped)  # an ordinary array on the same pages


def numeric(columns: Columns) -> dict[str, NDArray[Any]]:
    """Choose the columns that make the matrix: the numbers, without the ids."""
    chosen = {n: c for n, c in columns.items() if n != "id" and c.dtype.kind in "fiub"}
    if not chosen:
        raise InputError(
            f"found no numeric column to write among {list(columns)[:20]}: "
            f"an array file holds numbers (.csv and .parquet hold text too)"
        )
    return chosen


def write_matrix(stream: IO[bytes], columns: Columns) -> None:
    """Write columns as an (N, K) array, a block of rows at a time, with no second copy."""
    arrays = list(columns.values())
    dtype = np.result_type(*arrays)
    begin_matrix(stream, len(arrays[0]), len(arrays), dtype)
    append_rows(stream, arrays, dtype)


def begin_matrix(stream: IO[bytes], n: int, k: int, dtype: np.dtype[Any]) -> None:
    """Write the header of an (N, K) array."""
    descr = npy_format.dtype_to_descr(dtype)
    head = {"descr": descr, "fortran_order": False, "shape": (n, k)}
    npy_format.write_array_header_1_0(stream, head)


def append_rows(stream: IO[bytes], columns: Sequence[NDArray[Any]], dtype: np.dtype[Any]) -> None:
    """Write rows of an array whose header was written."""
    step = max(1, _BLOCK // len(columns))
    for start in range(0, len(columns[0]), step):
        block = [column[start : start + step] for column in columns]
        stream.write(np.stack(block, axis=1, dtype=dtype).data)


def write_npy(path: Path, columns: Columns) -> None:
    """Write the (N, K) stack of the numeric columns."""
    with open(path, "wb") as stream:
        write_matrix(stream, numeric(columns))


NPY = Format("NumPy array", (".npy",), read_npy, write_npy)
