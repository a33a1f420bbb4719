"""A folder of Parquet parts, as cluster jobs write them: one table, in the order of the names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import FileError
from ..predictions.sheet import Sheet
from .base import Format
from .manifest import read_manifest
from .parquet import as_sheet, need_pyarrow, read_parts


def read_folder(path: Path) -> Sheet:
    """Read ``*.parquet`` in a folder; every part must have the columns of the first."""
    paths = part_paths(path)
    parts = read_parts(paths)
    for part, part_path in zip(parts, paths, strict=True):
        check_part(_sorts(part), part_path, _sorts(parts[0]), paths[0])
    columns = {}
    for name in list(parts[0]):
        # Taken out of the parts at once, so that only one column exists twice at a time.
        columns[name] = np.concatenate([part.pop(name) for part in parts])
    return as_sheet(columns, str(path))


def part_paths(path: Path) -> list[Path]:
    """Return the parts of a folder in the order of their names; hidden files are none."""
    paths = sorted(p for p in path.glob("*.parquet") if not p.name.startswith((".", "_")))
    manifest = read_manifest(path)
    if manifest is not None and len(paths) != len(manifest.names):
        raise FileError(
            f"{path} is incomplete: found {len(paths)} of {len(manifest.names)} parts; run what "
            "writes it again, with the same pool and inputs: it goes on where it stopped"
        )
    if not paths:
        found = ", ".join(sorted(p.name for p in path.iterdir())[:5]) or "nothing"
        raise FileError(f"{path}: found no .parquet part in the folder, but {found}")
    return paths


def check_part(
    part: Mapping[str, str], path: Path, first: Mapping[str, str], first_path: Path
) -> None:
    """Say which part differs from the first, and how: columns by name, and what they hold."""
    for one, other, other_path in ((first, part, path), (part, first, first_path)):
        lacking = [name for name in one if name not in other]
        if lacking:
            having = path if one is part else first_path
            raise FileError(
                f"{other_path} lacks the column {lacking[0]!r} that {having.name} has: "
                f"all parts of a folder must have the same columns"
            )
    for name, sort in part.items():
        if sort != first[name]:
            raise FileError(
                f"{path}, column {name!r}: found {sort} where {first_path.name} has {first[name]}"
            )


def _sorts(part: Mapping[str, NDArray[Any]]) -> dict[str, str]:
    return {
        name: {"O": "text", "M": "dates"}.get(column.dtype.kind, "numbers")
        for name, column in part.items()
    }


FOLDER = Format("folder of Parquet parts", (), read_folder, None, need_pyarrow)
