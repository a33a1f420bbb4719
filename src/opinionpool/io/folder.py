"""A folder of Parquet parts, as cluster jobs write them: one table, in the order of the names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import FileError
from ..predictions.sheet import Sheet
from .base import Format
from .parquet import as_sheet, need_pyarrow, read_parts


def read_folder(path: Path) -> Sheet:
    """Read ``*.parquet`` in a folder; every part must have the columns of the first."""
    paths = sorted(p for p in path.glob("*.parquet") if not p.name.startswith((".", "_")))
    if not paths:
        found = ", ".join(sorted(p.name for p in path.iterdir())[:5]) or "nothing"
        raise FileError(f"{path}: found no .parquet part in the folder, but {found}")
    parts = read_parts(paths)
    for part, part_path in zip(parts, paths, strict=True):
        _check_part(part, part_path, parts[0], paths[0])
    columns = {}
    for name in list(parts[0]):
        # Taken out of the parts at once, so that only one column exists twice at a time.
        columns[name] = np.concatenate([part.pop(name) for part in parts])
    return as_sheet(columns, str(path))


def _check_part(
    part: dict[str, NDArray[Any]], path: Path, first: dict[str, NDArray[Any]], first_path: Path
) -> None:
    """Say which part differs from the first, and how."""
    for one, other, other_path in ((first, part, path), (part, first, first_path)):
        lacking = [name for name in one if name not in other]
        if lacking:
            having = path if one is part else first_path
            raise FileError(
                f"{other_path} lacks the column {lacking[0]!r} that {having.name} has: "
                f"all parts of a folder must have the same columns"
            )
    for name, column in part.items():
        if _sort(column) != _sort(first[name]):
            raise FileError(
                f"{path}, column {name!r}: found {_sort(column)} where {first_path.name} has "
                f"{_sort(first[name])}"
            )


def _sort(column: NDArray[Any]) -> str:
    return {"O": "text", "M": "dates"}.get(column.dtype.kind, "numbers")


FOLDER = Format("folder of Parquet parts", (), read_folder, None, need_pyarrow)
