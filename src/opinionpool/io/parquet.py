"""Parquet, through pyarrow (the extra ``parquet``)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import FileError, InputError, MissingExtraError, OpinionPoolError
from ..memory import require
from ..predictions.sheet import Sheet
from .base import Columns, Format

# pandas stores row labels that have no name under this one.
INDEX = "__index_level_0__"
_GROUPS = 16  # columns are read in so many portions: the copy in flight is a sixteenth
_TEXT = "OUS"  # kinds of arrays that are written as text
_BYTES_OF_TEXT = 64  # a short text in an object array


def need_pyarrow(what: str) -> None:
    """Raise ``MissingExtraError`` where pyarrow is absent."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(what, "pyarrow", "parquet") from error


def read_parquet(path: Path) -> Sheet:
    """Read a table, after what its metadata promises is known to fit."""
    columns = read_parts([path])
    return as_sheet(columns[0], str(path))


def as_sheet(columns: dict[str, NDArray[Any]], where: str) -> Sheet:
    """Make a sheet of columns, one of which may be the row labels of a data frame."""
    return Sheet(columns, where, index=columns.pop(INDEX, None))


def read_parts(paths: Sequence[Path]) -> list[dict[str, NDArray[Any]]]:
    """Read files one after the other; none before all are known to fit into memory."""
    total = sum(_promised(path) for path in paths)
    more = f" and {len(paths) - 1} more parts" if len(paths) > 1 else ""
    require(total, f"reading {paths[0]}{more}")
    columns = [read_columns(path) for path in paths]
    release()
    return columns


def release() -> None:
    """Give memory back to the system that pyarrow keeps for the next file: soon there is none.

    After the ids and labels of six million rows and eight models these are 180 MB.
    """
    import pyarrow as pa

    pa.default_memory_pool().release_unused()


def _promised(path: Path) -> int:
    """Bytes of the arrays that will come out, from the metadata alone."""
    with Opened(path) as file:
        schema, metadata = file.schema_arrow, file.metadata
        check_names(schema.names, path)
        # Runs and dictionaries pack any number of rows into few bytes: count cells, not bytes.
        widths = [width_of(field.type, f"{path}, column {field.name!r}") for field in schema]
        packed = sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
        return int(metadata.num_rows * sum(widths) + packed // _GROUPS)


def check_names(names: Sequence[str], path: Path) -> None:
    """Refuse two columns of one name."""
    if len(set(names)) < len(names):
        twice = next(name for name, count in Counter(names).items() if count > 1)
        raise FileError(f"{path}: the column name {twice!r} appears twice")


def read_columns(path: Path, chosen: Sequence[str] | None = None) -> dict[str, NDArray[Any]]:
    """Read columns, all or chosen ones, a portion of them at a time."""
    columns: dict[str, NDArray[Any]] = {}
    with Opened(path) as file:
        names = file.schema_arrow.names if chosen is None else list(chosen)
        step = -(-len(names) // _GROUPS) or 1
        for start in range(0, len(names), step):
            table = file.read(columns=names[start : start + step])
            for name in table.column_names:
                columns[name] = array_of(table.column(name))
        n_rows = file.metadata.num_rows
    for name, column in columns.items():
        if len(column) != n_rows:
            raise FileError(
                f"{path}, column {name!r}: found {len(column)} rows, its metadata say {n_rows}"
            )
    return columns


class Opened:
    """A Parquet file, with every way it can be damaged turned into one that names it."""

    def __init__(self, path: Path, buffer: int = 0) -> None:
        self._path, self._buffer = path, buffer
        self._file: Any = None

    def __enter__(self) -> Any:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            # Without a buffer a column of a row group is read whole. Reading ahead of the decoder
            # (pre_buffer) holds whole row groups: three times the memory, and no faster here.
            self._file = pq.ParquetFile(
                self._path,
                page_checksum_verification=True,
                pre_buffer=False,
                buffer_size=self._buffer,
            )
        except (pa.ArrowException, OSError, ValueError) as error:
            raise FileError(f"{self._path} is not a readable Parquet file: {error}") from error
        return self._file

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        self._file.close()
        if error is None or isinstance(error, OpinionPoolError | MemoryError):
            return
        if isinstance(error, Exception):
            raise FileError(f"{self._path} is damaged: {error}") from error


def width_of(kind: Any, where: str) -> int:
    """Bytes per cell of the array that a column becomes, or why it cannot become one."""
    from pyarrow import types

    if types.is_dictionary(kind):
        kind = kind.value_type
    if _is_text(kind):
        return 8 + _BYTES_OF_TEXT
    if types.is_boolean(kind):
        return 1
    if types.is_integer(kind) or types.is_floating(kind):
        return int(kind.bit_width) // 8
    if types.is_null(kind) or types.is_decimal(kind):
        return 8
    if types.is_date(kind) or types.is_timestamp(kind):
        return 8
    raise FileError(f"{where}: found the type {kind}, where numbers or text belong")


def sort_of(kind: Any) -> str:
    """Say what a column of an Arrow type becomes, in the words of messages."""
    from pyarrow import types

    if types.is_dictionary(kind):
        kind = kind.value_type
    if _is_text(kind):
        return "text"
    return "dates" if types.is_date(kind) or types.is_timestamp(kind) else "numbers"


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    # Old writers mark text as bytes; whether it is text shows when it is decoded.
    checks = (types.is_string, types.is_large_string, types.is_binary, types.is_large_binary)
    view = getattr(types, "is_string_view", None)
    return any(check(kind) for check in checks) or bool(view and view(kind))


def array_of(column: Any) -> NDArray[Any]:
    """Turn an Arrow column into a NumPy array with NaN or None where it is null."""
    import pyarrow as pa
    from pyarrow import types

    if types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    if types.is_binary(kind) or types.is_large_binary(kind):
        column = column.cast(pa.string())
    if types.is_string(column.type) or types.is_large_string(column.type):
        return _texts(column)
    if types.is_boolean(kind) and column.null_count:
        column = column.cast(pa.int8()).cast(pa.float64())
    elif types.is_null(kind) or types.is_decimal(kind):
        column = column.cast(pa.float64())
    elif not column.null_count and (types.is_integer(kind) or types.is_floating(kind)):
        # ``to_numpy`` would import pandas where it is installed: a quarter of a second, 35 MB.
        return np.from_dlpack(column.combine_chunks())
    array: NDArray[Any] = column.to_numpy()
    return array


def _texts(column: Any) -> NDArray[Any]:
    """Return texts as objects, equal ones as one: classes of a million rows are a few."""
    encoded = column.combine_chunks().dictionary_encode()
    if hasattr(encoded, "chunks"):  # more text than one array holds
        return np.asarray(column.to_numpy(), dtype=object)
    words = np.array([*encoded.dictionary.to_pylist(), None], dtype=object)
    places = encoded.indices.fill_null(-1) if encoded.null_count else encoded.indices
    return np.asarray(words[np.from_dlpack(places)])


def write_parquet(path: Path, columns: Columns) -> None:
    """Write columns with their types; None becomes null, NaN stays NaN."""
    import pyarrow.parquet as pq

    texts = _texts_among({name: column.dtype for name, column in columns.items()})
    pq.write_table(_table(columns), path, use_dictionary=texts)


def _texts_among(dtypes: Mapping[str, np.dtype[Any]]) -> list[str]:
    """Return the columns that a dictionary is worth: numbers hardly repeat.

    Trying one, and giving it up when it is full, takes five times as long as writing numbers as
    they are, and makes the file a third larger.
    """
    return [name for name, dtype in dtypes.items() if dtype.kind in _TEXT]


@contextmanager
def writing_parquet(
    path: Path, dtypes: Mapping[str, np.dtype[Any]]
) -> Iterator[Callable[[Columns], None]]:
    """Give what appends rows, each time as a row group of its own."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts = _texts_among(dtypes)
    types = {
        n: pa.string() if d.kind in _TEXT else pa.from_numpy_dtype(d) for n, d in dtypes.items()
    }
    with pq.ParquetWriter(path, pa.schema(types), use_dictionary=texts) as writer:
        yield lambda columns: writer.write_table(_table(columns))


def _table(columns: Columns) -> Any:
    import pyarrow as pa

    arrays = {}
    for name, column in columns.items():
        try:
            arrays[name] = _arrow(column)
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise InputError(f"column {name!r} cannot be written as Parquet: {error}") from error
    return pa.table(arrays)


def _arrow(column: NDArray[Any]) -> Any:
    """Return a column as Arrow has it; numbers without pandas, which ``array`` would import."""
    import pyarrow as pa

    if column.dtype.kind in _TEXT:
        return pa.array(column.tolist(), pa.string())
    if column.dtype.kind not in "iuf" or not column.dtype.isnative:
        return pa.array(column)
    kind, buffer = pa.from_numpy_dtype(column.dtype), pa.py_buffer(np.ascontiguousarray(column))
    return pa.Array.from_buffers(kind, len(column), [None, buffer])


PARQUET = Format("Parquet", (".parquet",), read_parquet, write_parquet, need_pyarrow)
