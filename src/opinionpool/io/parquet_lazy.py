"""Rows of Parquet files and of folders of parts, decoded a portion of the columns at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import FileError
from ..memory import require
from ..predictions.lazy import LazyValues
from ..predictions.pieces import Joined
from ..predictions.sheet import LazySheet
from ..predictions.table import RESERVED
from ..predictions.version import Version
from .folder import check_part, part_paths
from .parquet import INDEX, Opened, check_names, read_columns, sort_of, width_of
from .parquet_scan import ParquetValues


@dataclass(frozen=True)
class _Part:
    """What the metadata of a file say."""

    path: Path
    version: Version
    sorts: Mapping[str, str]
    width: int
    groups: tuple[int, ...]
    packed: int
    dictionaries: bool
    narrow: bool

    @property
    def n_rows(self) -> int:
        return sum(self.groups)

    def numbers(self, names: Sequence[str]) -> ParquetValues:
        dtype = np.dtype(np.float32 if self.narrow else np.float64)
        pages = (self.packed, self.dictionaries)
        return ParquetValues(self.path, names, dtype, self.groups, *pages, self.version)


def open_parquet(path: Path) -> LazySheet | None:
    """Read ids and labels; None where a class holds text, which has to be read whole."""
    return _sheet([_part(path)], path)


def open_folder(path: Path) -> LazySheet | None:
    """Read ids and labels of all parts, whose columns must be those of the first."""
    parts = [_part(one) for one in part_paths(path)]
    for part in parts:
        check_part(part.sorts, part.path, parts[0].sorts, parts[0].path)
    return _sheet(parts, path)


def _sheet(parts: Sequence[_Part], path: Path) -> LazySheet | None:
    first = parts[0]
    names = [name for name in first.sorts if name not in (*RESERVED, INDEX)]
    if any(first.sorts[name] != "numbers" for name in names):
        return None
    small = [name for name in first.sorts if name not in names]
    n_rows = sum(part.n_rows for part in parts)
    require(sum(part.width * part.n_rows for part in parts), f"reading ids and labels of {path}")
    columns = _joined([read_columns(part.path, small) for part in parts], small)
    for name, column in columns.items():
        if len(column) != n_rows:
            raise FileError(
                f"{path}, column {name!r}: found {len(column)} rows, its metadata say {n_rows}"
            )
    values: LazyValues = first.numbers(names)
    if len(parts) > 1:
        values = Joined([part.numbers(names) for part in parts], str(path))
    return LazySheet(
        columns,
        str(path),
        index=columns.pop(INDEX, None),
        deferred=tuple(names),
        values=values,
        order=tuple(name for name in first.sorts if name != INDEX),
    )


def _joined(parts: list[dict[str, NDArray[Any]]], names: Sequence[str]) -> dict[str, NDArray[Any]]:
    if len(parts) == 1:  # what is not copied is not in memory twice
        return parts[0]
    return {name: np.concatenate([part.pop(name) for part in parts]) for name in names}


def _part(path: Path) -> _Part:
    import pyarrow as pa

    version = Version.of(path)
    with Opened(path) as file:
        schema, metadata = file.schema_arrow, file.metadata
        check_names(schema.names, path)
        widths = [width_of(field.type, f"{path}, column {field.name!r}") for field in schema]
        groups = tuple(metadata.row_group(i).num_rows for i in range(metadata.num_row_groups))
        classes = [field.type for field in schema if field.name not in (*RESERVED, INDEX)]
        small = (w for w, name in zip(widths, schema.names, strict=True) if _is_small(name))
        return _Part(
            path,
            version,
            {field.name: sort_of(field.type) for field in schema},
            sum(small),
            groups,
            *_packed(metadata, groups),
            all(kind == pa.float32() for kind in classes),
        )


def _is_small(name: str) -> bool:
    return name in (*RESERVED, INDEX)


def _packed(metadata: Any, groups: Sequence[int]) -> tuple[int, bool]:
    """Return how large the largest class of the largest row group is, as it lies in its pages.

    And whether any has a page for a dictionary.
    """
    if not groups:
        return 0, False
    group = metadata.row_group(int(np.argmax(groups)))
    columns = [group.column(j) for j in range(group.num_columns)]
    classes = [column for column in columns if not _is_small(column.path_in_schema)]
    sizes = (column.total_uncompressed_size for column in classes)
    return max(sizes, default=0), any(column.has_dictionary_page for column in classes)
