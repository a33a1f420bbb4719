"""Where results go: checked before the work, so that nothing is computed in vain."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ..errors import OutputError
from .output import OUTPUT

Output = Annotated[Path | None, Parameter(name=["--output", "-o"], group=OUTPUT)]
TableOutput = Annotated[
    Output,
    Parameter(
        help="Where the probabilities go (.csv, .parquet, .npy, .npz); without it they are "
        "printed as CSV."
    ),
]
AnyOutput = Annotated[
    Output,
    Parameter(
        help="Where the probabilities go: a file (.csv, .parquet, .npy, .npz), or a folder, for "
        "Parquet parts; without it they are printed as CSV."
    ),
]


def check_table_output(output: Path | None, inputs: Iterable[Path | None]) -> None:
    """Say before the work what would keep a table from being written."""
    if output is not None:
        from ..io import check_writable

        check_writable(output)
        check_no_input(output, inputs)


def check_pool_output(output: Path | None, inputs: Iterable[Path | None]) -> None:
    """Say before the work what would keep a pool from being saved."""
    if output is None:
        return
    from ..io import SUFFIXES

    if output.suffix.lower() in SUFFIXES:
        raise OutputError(f"cannot write {output}: a pool is JSON, give a name ending in .json")
    if output.is_dir():
        raise OutputError(f"cannot write {output}: it is a folder; give a file")
    real = Path(os.path.realpath(output))
    if not real.parent.is_dir():
        raise OutputError(f"cannot write {output}: there is no folder {real.parent}")
    for place in (real, real.parent):
        if place.exists() and not os.access(place, os.W_OK):
            raise OutputError(f"cannot write {output}: {place} is read-only")
    check_no_input(output, inputs)


def check_no_input(output: Path, inputs: Iterable[Path | None]) -> None:
    """Refuse to overwrite an input, or to add a part to a folder that is one."""
    real = Path(os.path.realpath(output))
    for path in inputs:
        if path is None:
            continue
        given = Path(os.path.realpath(path))
        same = real.exists() and given.exists() and os.path.samefile(real, given)
        if same or given == real:
            raise OutputError(f"cannot write {output}: it is an input of this command")
        if given == real.parent and given.is_dir():
            raise OutputError(f"cannot write {output}: its folder is an input of this command")
