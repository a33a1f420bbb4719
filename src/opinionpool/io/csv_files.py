"""CSV, through the standard library: read twice, so that no cell is kept as text in between."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from ..errors import FileError
from ..memory import require
from ..predictions.sheet import Sheet
from . import cells
from .base import Columns, Format

_BATCH = 1 << 19  # cells that are in memory as text at a time, where a row is not longer
_LONGEST_LINE = 1 << 28  # characters; a file without line ends must not fill the memory
_BYTES_OF_TEXT = 64  # a short text in an object array
_FIRST_ROW = 2  # as people count: the header is row 1


def read_csv(path: Path) -> Sheet:
    """Read a table: the first pass finds the kind of every column, the second the values."""
    where = str(path)
    records = _records(path, where)
    names = _header(next(records, []), where)
    kinds: list[int] = [cells.INTEGER] * len(names)
    n_rows = 0
    for batch in _batches(records, len(names), where):
        n_rows += len(batch)
        columns = zip(*batch, strict=True)
        kinds = [
            cells.TEXT if kind == cells.TEXT else kind | cells.kind_of(column)
            for kind, column in zip(kinds, columns, strict=True)
        ]
    if n_rows == 0:
        kinds = [cells.FLOAT] * len(names)
    n_texts = kinds.count(cells.TEXT)
    require(
        n_rows * (8 * len(names) + _BYTES_OF_TEXT * n_texts),
        f"reading {where} ({n_rows:,} rows x {len(names):,} columns)",
    )
    arrays = [np.empty(n_rows, cells.DTYPES[kind]) for kind in kinds]
    _fill(arrays, kinds, path, where)
    index = arrays.pop(0) if names[0] == "" else None
    sheet_names = names if index is None else names[1:]
    if index is not None and np.array_equal(index, np.arange(n_rows)):
        index = None
    return Sheet(dict(zip(sheet_names, arrays, strict=True)), where, _FIRST_ROW, index)


def _fill(arrays: Sequence[NDArray[Any]], kinds: Sequence[int], path: Path, where: str) -> None:
    records = _records(path, where)
    next(records, None)
    start, n_rows = 0, len(arrays[0])
    try:
        for batch in _batches(records, len(arrays), where):
            stop = start + len(batch)
            columns = zip(*batch, strict=True)
            for array, kind, column in zip(arrays, kinds, columns, strict=True):
                array[start:stop] = cells.values_of(column, kind)
            start = stop
    except (ValueError, OverflowError) as error:
        if isinstance(error, FileError):
            raise
        start = -1
    if start != n_rows:
        raise FileError(f"{where} changed while it was read: read it again when it is complete")


def _header(names: list[str], where: str) -> list[str]:
    """Check the names. A first column without one is the index that data frames write."""
    if not names or names == [""]:
        raise FileError(f"{where}, row 1: found no header; the first row names the columns")
    first: dict[str, int] = {}
    for number, name in enumerate(names, 1):
        if not name.strip() and number > 1:
            raise FileError(f"{where}, row 1: column {number} of {len(names)} has no name")
        if name in first:
            raise FileError(
                f"{where}, row 1: the column name {name!r} appears twice "
                f"(columns {first[name]} and {number})"
            )
        first[name] = number
    return names


def _batches(records: Iterable[list[str]], width: int, where: str) -> Iterator[list[list[str]]]:
    """Group rows, each checked to be as long as the header. Blank lines at the end are none."""
    size = max(8, _BATCH // width)
    batch: list[list[str]] = []
    blank = 0
    for row, record in enumerate(records, _FIRST_ROW):
        if not record:
            blank += 1
            continue
        if blank and width > 1:
            raise FileError(f"{where}, row {row - blank}: found a blank line inside the table")
        batch.extend([""] for _ in range(blank))  # in a table of one column: absent values
        blank = 0
        if len(record) != width:
            raise FileError(
                f"{where}, row {row}: found {len(record)} cells where the header has "
                f"{width} columns"
            )
        batch.append(record)
        if len(batch) >= size:
            yield batch
            batch = []
    if batch:
        yield batch


def _records(path: Path, where: str) -> Iterator[list[str]]:
    row = 0
    with open(path, encoding="utf-8-sig", newline="") as stream:
        # Strict: otherwise a quote that is never closed swallows the rest of the file.
        reader = csv.reader(_lines(stream, where), strict=True)
        try:
            for record in reader:
                row += 1
                yield record
        except csv.Error as error:
            raise FileError(f"{where}, row {row + 1}: {error}") from error
        except UnicodeDecodeError as error:
            raise FileError(_undecodable(path, where)) from error


def _lines(stream: TextIO, where: str) -> Iterator[str]:
    while line := stream.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE:
            raise FileError(f"{where}: found a line of over {_LONGEST_LINE:,} characters")
        yield line


def _undecodable(path: Path, where: str) -> str:
    """Find the place again: the decoder works ahead of the rows."""
    with open(path, "rb") as stream:
        for number, line in enumerate(stream, 1):
            if number == 1 and line[:2] in (b"\xff\xfe", b"\xfe\xff"):
                return f"{where} is UTF-16 text: save it as UTF-8"
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                bad = line[error.start : error.start + 1]
                return f"{where}, line {number}: found the byte {bad!r}; save the file as UTF-8"
    return f"{where} is not UTF-8 text: save it as UTF-8"


def write_csv(path: Path, columns: Columns) -> None:
    """Write columns as UTF-8 with the shortest digits that read back as the same float64."""
    with writing_csv(path, list(columns)) as append:
        append(columns)


@contextmanager
def writing_csv(path: Path, names: Sequence[str]) -> Iterator[Callable[[Columns], None]]:
    """Write the header, and give what writes further rows."""
    step = max(1, _BATCH // len(names))
    with open(path, "w", encoding="utf-8", newline="") as stream:
        # A terminator with both characters makes the writer quote cells that hold either.
        writer = csv.writer(_PlainLineEnds(stream), lineterminator="\r\n")
        writer.writerow(names)

        def append(columns: Columns) -> None:
            arrays = list(columns.values())
            for start in range(0, len(arrays[0]), step):
                block = [_writable(array[start : start + step]) for array in arrays]
                writer.writerows(zip(*block, strict=True))

        yield append


def _writable(array: NDArray[Any]) -> list[Any]:
    if array.dtype.kind == "f":
        return ["" if value != value else value for value in array.astype(np.float64).tolist()]
    return list((array.astype(np.str_) if array.dtype.kind == "M" else array).tolist())


class _PlainLineEnds:
    """Turn the line end of every row into a single newline."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, row: str) -> int:
        return self._stream.write(row[:-2] + "\n")


CSV = Format("CSV", (".csv",), read_csv, write_csv)
