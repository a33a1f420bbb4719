"""Rows of a matrix in an .npz: its member is streamed, so the checksum is held to as ever."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

from ..errors import FileError, OpinionPoolError
from ..memory import require
from ..predictions.lazy import Blocks, LazyValues
from ..predictions.raw_file import floats_for
from ..predictions.scratch import fill
from ..predictions.version import Version
from .npy import Header, read_header
from .npz import check_members, read_member

_LARGE = 1 << 20  # bytes; smaller members are read with the ids and labels


def open_npz(path: Path) -> Mapping[str, NDArray[Any] | LazyValues] | None:
    """Read the small members; the large matrices stay where they are."""
    version = Version.of(path)
    content: dict[str, NDArray[Any] | LazyValues] = {}
    try:
        with ZipFile(path) as archive:
            headers = check_members(archive, path)
            if any((h.fortran and len(h.shape) > 1) or len(h.shape) > 2 for h in headers.values()):
                return None
            large = {m for m, h in headers.items() if _is_large_matrix(h)}
            small = sum(h.n_bytes for m, h in headers.items() if m not in large)
            require(small, f"reading ids and labels of {path}")
            for member, header in headers.items():
                if member in large:
                    content[member[:-4]] = NpzValues(path, member, header, version)
                else:
                    content[member[:-4]] = read_member(archive, member, path)
    except (OpinionPoolError, MemoryError):
        raise
    except Exception as error:  # a damaged archive fails in many ways: whatever it is, say so
        raise FileError(f"{path} is not a readable .npz archive: {error}") from error
    return content


def _is_large_matrix(header: Header) -> bool:
    return len(header.shape) == 2 and header.n_bytes > _LARGE and header.dtype.kind in "fiub"


class NpzValues(LazyValues):
    """A matrix in an archive. To start at a later row, what is before it is read and dropped."""

    def __init__(self, path: Path, member: str, header: Header, version: Version) -> None:
        n, k = header.shape
        super().__init__((n, k), floats_for(header.dtype), f"{path}, member {member!r}")
        self._path, self._member, self._version = path, member, version
        self._raw = header.dtype

    def scan(self, step: int, first: int = 0) -> Blocks:
        """Yield blocks of rows as native floats."""
        self._version.check(self._path)
        n, k = self.shape
        try:
            with ZipFile(self._path) as archive, archive.open(self._member) as stream:
                read_header(stream, self.where)
                if first:  # only then: after a seek an archive no longer checks its sum
                    stream.seek(stream.tell() + first * k * self._raw.itemsize)
                for a in range(first, n, step):
                    rows = np.empty((min(step, n - a), k), self._raw)
                    fill(stream, rows, self.where)
                    yield rows.astype(self.dtype, copy=False)
                    del rows
        except (OpinionPoolError, MemoryError):
            raise
        except Exception as error:
            raise FileError(f"{self._path} is not a readable .npz archive: {error}") from error
