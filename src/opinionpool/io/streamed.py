"""One file written a block of rows at a time, which takes its place once it is complete."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..atomic import replacing
from ..errors import InputError, OutputError
from .base import Columns
from .csv_files import writing_csv
from .files import format_to_write
from .npy import append_rows, begin_matrix, numeric
from .parquet import writing_parquet

Dtypes = Mapping[str, np.dtype[Any]]
Append = Callable[[Columns], None]


class Writer:
    """Appends blocks of rows to a file that nobody sees yet."""

    def __init__(self, append: Append, dtypes: Dtypes, n_rows: int, where: str) -> None:
        self._append, self._dtypes, self._where = append, dtypes, where
        self._left = n_rows

    def append(self, columns: Columns) -> None:
        """Write the next rows.

        Parameters
        ----------
        columns
            Name to 1-D array, all of one length; the same names in the same order every time.

        Raises
        ------
        OutputError
            The disk is full, or the like.
        InputError
            Other columns, or more rows, than were announced.
        """
        arrays = {name: np.asarray(column) for name, column in columns.items()}
        lengths = {array.shape for array in arrays.values()}
        if list(arrays) != list(self._dtypes) or len(lengths) != 1:
            raise InputError(
                f"cannot write {self._where}: found the columns {_listed(arrays)}; expected "
                f"{_listed(self._dtypes)}, 1-D and of one length"
            )
        self._left -= len(next(iter(arrays.values())))
        if self._left < 0:
            raise InputError(f"cannot write {self._where}: found {-self._left} rows too many")
        own = {
            name: array if array.dtype.kind in "OUS" else array.astype(dtype, copy=False)
            for (name, array), dtype in zip(arrays.items(), self._dtypes.values(), strict=True)
        }
        try:
            self._append(own)
        except OSError as error:
            raise OutputError(
                f"cannot write {self._where}: {error.strerror or error} "
                "(whatever stood there is unchanged)"
            ) from error

    def finish(self) -> None:
        """Refuse a file with fewer rows than were announced: its header may say otherwise."""
        if self._left:
            raise InputError(f"cannot write {self._where}: {self._left} rows are lacking")


@contextmanager
def writing(path: str | os.PathLike[str], dtypes: Dtypes, n_rows: int) -> Iterator[Writer]:
    """Write a file block by block: all of it, or nothing.

    Parameters
    ----------
    path
        ``.csv``, ``.npy`` or ``.parquet`` (a row group for each block). What is written in
        which is as in :func:`opinionpool.io.write`.
    dtypes
        Names of the columns, and what they hold; objects and texts are text.
    n_rows
        How many rows there will be.

    Yields
    ------
    Writer
        With a method ``append(columns)``. What goes wrong in the block leaves the file that
        stood at ``path`` untouched, and is raised as it is.

    Raises
    ------
    OutputError
        The file cannot be written.
    InputError
        There were fewer or more rows than ``n_rows``.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "a.npy"
    ...     with writing(path, {"a": np.dtype(np.float64)}, n_rows=4) as out:
    ...         for rows in (slice(0, 3), slice(3, 4)):
    ...             out.append({"a": np.arange(4.0)[rows]})
    ...     np.load(path).ravel().tolist()
    [0.0, 1.0, 2.0, 3.0]
    """
    found = format_to_write(path)
    suffix = Path(path).suffix.lower()
    if suffix not in STREAMED:
        raise OutputError(
            f"cannot write {os.fspath(path)}: a {found.name} cannot be written block by block; "
            f"choose {', '.join(STREAMED)}"
        )
    try:
        with (
            replacing(path) as temporary,
            _OPENERS[suffix](temporary, dtypes, n_rows) as append,
        ):
            writer = Writer(append, dtypes, n_rows, os.fspath(path))
            try:
                yield writer
            except OSError as error:
                raise _PassingError(error) from error
            writer.finish()
    except _PassingError as passing:
        raise passing.error from passing.error.__cause__


class _PassingError(Exception):
    """Carries an error past ``replacing``, which takes an ``OSError`` for one of its own file."""

    def __init__(self, error: OSError) -> None:
        self.error = error


@contextmanager
def _csv(path: Path, dtypes: Dtypes, n_rows: int) -> Iterator[Append]:
    with writing_csv(path, list(dtypes)) as append:
        yield append


@contextmanager
def _npy(path: Path, dtypes: Dtypes, n_rows: int) -> Iterator[Append]:
    chosen = numeric({name: np.empty(0, dtype) for name, dtype in dtypes.items()})
    dtype = np.result_type(*chosen.values())
    with open(path, "wb") as stream:
        begin_matrix(stream, n_rows, len(chosen), dtype)
        yield lambda columns: append_rows(stream, [columns[name] for name in chosen], dtype)


@contextmanager
def _parquet(path: Path, dtypes: Dtypes, n_rows: int) -> Iterator[Append]:
    with writing_parquet(path, dtypes) as append:
        yield append


_OPENERS: dict[str, Callable[[Path, Dtypes, int], AbstractContextManager[Append]]] = {
    ".csv": _csv,
    ".npy": _npy,
    ".parquet": _parquet,
}
#: Endings of files that can be written so.
STREAMED = tuple(_OPENERS)


def _listed(columns: Mapping[str, Any]) -> str:
    return ", ".join(map(repr, columns))[:500] or "none"
