"""Rows of .npy files."""

from __future__ import annotations

from pathlib import Path

from ..predictions.lazy import LazyValues
from ..predictions.raw_file import RawValues
from ..predictions.version import Version
from .npy import checked_header


def open_npy(path: Path) -> LazyValues | list[LazyValues] | None:
    """Look at the header alone; None for what has to be read whole (text, odd shapes).

    (M, N, K) numbers of M models are one matrix each.
    """
    with open(path, "rb") as stream:
        version = Version.of(path)
        header = checked_header(stream, path)
        start = stream.tell()
    shape, dtype = header.shape, header.dtype
    if dtype.kind not in "fiub" or not 1 <= len(shape) <= 3:
        return None
    if len(shape) < 3:
        return RawValues(path, start, shape, dtype, version, by_columns=header.fortran)
    if header.fortran:
        return None
    each = header.n_bytes // shape[0] if shape[0] else 0
    starts = (start + i * each for i in range(shape[0]))
    return [RawValues(path, one, shape[1:], dtype, version) for one in starts]
