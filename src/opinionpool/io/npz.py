"""NumPy's .npz: several arrays by name in a zip archive, never unpickled."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from ..errors import FileError, InputError, OpinionPoolError
from ..memory import require
from .base import Columns, Format
from .npy import Header, numeric, plain, read_header, write_matrix


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """Read every array, after the sum of what their headers promise is known to fit."""
    try:
        with ZipFile(path) as archive:
            headers = check_members(archive, path)
            total = sum(header.n_bytes for header in headers.values())
            require(total, f"reading {path} ({len(headers)} arrays)")
            return {name[:-4]: read_member(archive, name, path) for name in headers}
    except (OpinionPoolError, MemoryError):
        raise
    except Exception as error:  # a damaged archive fails in many ways: whatever it is, say so
        raise FileError(f"{path} is not a readable .npz archive: {error}") from error


def check_members(archive: ZipFile, path: Path) -> dict[str, Header]:
    """Read the header of every array, and compare what it promises with what is there."""
    headers: dict[str, Header] = {}
    for info in archive.infolist():
        where = f"{path}, member {info.filename!r}"
        if not info.filename.endswith(".npy"):
            raise FileError(f"{where}: found something other than an .npy array")
        if info.filename in headers:
            raise FileError(f"{where}: found two arrays of this name")
        with archive.open(info) as stream:
            header = read_header(stream, where)
            there = info.file_size - stream.tell()
        if there < header.n_bytes:
            raise FileError(
                f"{where} is truncated: its header promises {header} = {header.n_bytes:,} "
                f"bytes of data, found {there:,}"
            )
        headers[info.filename] = header
    if not headers:
        raise FileError(f"{path}: found an archive without any array")
    return headers


def read_member(archive: ZipFile, name: str, path: Path) -> NDArray[Any]:
    """Read one array whole."""
    with archive.open(name) as stream:
        array = npy_format.read_array(stream, allow_pickle=False)
    return plain(array, f"{path}, member {name!r}")


def write_npz(path: Path, columns: Columns) -> None:
    """Write ``probs`` (N, K), ``classes`` (K,), and ``ids`` where there is an id column."""
    chosen = numeric(columns)
    labels = {"classes": np.array(list(chosen), dtype=np.str_)}
    if "id" in columns:
        labels["ids"] = _ids(columns["id"])
    with ZipFile(path, "w") as archive:
        with archive.open("probs.npy", "w", force_zip64=True) as stream:
            write_matrix(stream, chosen)
        for name, array in labels.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
                npy_format.write_array(stream, array, allow_pickle=False)


def _ids(ids: NDArray[Any]) -> NDArray[Any]:
    """Ids as plain numbers or text: arrays of objects would need a pickle."""
    if ids.dtype.kind != "O":
        return ids
    for row, cell in enumerate(ids):
        if not isinstance(cell, str):
            raise InputError(f"column 'id', row {row + 1}: found {cell!r} where text belongs")
    return ids.astype(np.str_)


NPZ = Format("NumPy archive", (".npz",), read_npz, write_npz)
