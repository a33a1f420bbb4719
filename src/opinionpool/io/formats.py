"""The registry of file formats: one line each."""

from __future__ import annotations

from .base import Format
from .csv_files import CSV
from .folder import FOLDER as FOLDER
from .npy import NPY
from .npz import NPZ
from .parquet import PARQUET

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
