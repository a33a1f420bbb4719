"""The registry of file formats: one line each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .base import Format, LazyContent
from .csv_files import CSV
from .folder import FOLDER as FOLDER
from .npy import NPY
from .npy_lazy import open_npy
from .npz import NPZ
from .npz_lazy import open_npz
from .parquet import PARQUET
from .parquet_lazy import open_folder, open_parquet

FORMATS: tuple[Format, ...] = (
    CSV,
    NPY,
    NPZ,
    PARQUET,
)

BY_SUFFIX: dict[str, Format] = {
    suffix: one_format for one_format in FORMATS for suffix in one_format.suffixes
}

SUFFIXES: tuple[str, ...] = tuple(BY_SUFFIX)

#: Formats of which blocks of rows can be read alone, by name. What these return stands for what
#: ``read`` of the format does; None for a file that has to be read whole all the same.
LAZILY: dict[str, Callable[[Path], LazyContent | None]] = {
    NPY.name: open_npy,
    NPZ.name: open_npz,
    PARQUET.name: open_parquet,
    FOLDER.name: open_folder,
}
