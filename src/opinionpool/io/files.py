"""Reading and writing by path: finds the format, gives every failure its sentence."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeGuard, overload

import numpy as np

from ..atomic import replacing
from ..errors import FileError, InputError, MemoryLimitError, OpinionPoolError, OutputError
from .base import Columns, Content, Format, LazyContent
from .formats import BY_SUFFIX, FOLDER, LAZILY, SUFFIXES

_KNOWN = ", ".join(SUFFIXES)


def is_path(obj: object) -> TypeGuard[str | os.PathLike[str]]:
    """Whether an argument names a file rather than holding data."""
    return isinstance(obj, str | os.PathLike)


@overload
def read(path: str | os.PathLike[str]) -> Content: ...
@overload
def read(path: str | os.PathLike[str], *, lazily: bool) -> Content | LazyContent: ...
def read(path: str | os.PathLike[str], *, lazily: bool = False) -> Content | LazyContent:
    """Read a file, or a folder of Parquet parts, by its suffix.

    Parameters
    ----------
    path
        The file; its suffix says the format, ``opinionpool.io.SUFFIXES`` lists them.
    lazily
        Whether matrices may stay in the file (``.npy``, ``.parquet``, folders of parts, matrices
        of ``.npz``): they come as :class:`~opinionpool.predictions.lazy.LazyValues`, (M, N, K)
        arrays as a list of these. What has to be read whole is, under the same checks.

    Returns
    -------
    Sheet, ndarray or mapping of str to ndarray
        A table gives a :class:`~opinionpool.predictions.sheet.Sheet`, ``.npy`` an array
        (memory-mapped and read-only when it holds numbers), ``.npz`` its arrays by name.

    Raises
    ------
    FileError
        The file is absent, empty, damaged, of an unknown format, or would need code to be run.
    MemoryLimitError
        Its content is larger than the memory at hand; nothing was allocated.
    MissingExtraError
        An optional package is needed.
    """
    file = Path(path)
    try:
        found = _format_to_read(file)
        found.need(f"reading {file}")
        content = LAZILY[found.name](file) if lazily and found.name in LAZILY else None
        return found.read(file) if content is None else content
    except OpinionPoolError:
        raise
    except OSError as error:
        raise FileError(f"cannot read {file}: {error.strerror or error}") from error
    except MemoryError as error:
        raise MemoryLimitError(f"reading {file} needs more memory than there is") from error


def write(path: str | os.PathLike[str], columns: Columns) -> None:
    """Write named columns to a file: all of it, or nothing.

    Parameters
    ----------
    path
        Where to; the suffix says the format. ``.csv`` and ``.parquet`` hold the columns as
        they are. ``.npy`` holds the (N, K) stack of the numeric columns except ``id``;
        ``.npz`` the same as ``probs``, their names as ``classes``, and the ids as ``ids``.
    columns
        Name to 1-D array, all of one length.

    Raises
    ------
    OutputError
        The file cannot be written; what stood there is unchanged.
    InputError
        The columns do not make a table.
    """
    found = format_to_write(path)
    arrays = {name: np.asarray(column) for name, column in columns.items()}
    shapes = {array.shape for array in arrays.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != 1:
        listed = ", ".join(f"{name!r} {array.shape}" for name, array in arrays.items())
        raise InputError(
            f"cannot write {os.fspath(path)}: columns must be 1-D and of one length, "
            f"found {listed[:500] or 'none'}"
        )
    assert found.write is not None
    with replacing(path) as temporary:
        found.write(temporary, arrays)


def check_writable(path: str | os.PathLike[str]) -> None:
    """Say now what would keep :func:`write` from writing there, before hours of work.

    Raises
    ------
    OutputError
        The suffix is unknown, the folder absent or closed, or ``path`` is a folder.
    MissingExtraError
        The format needs an optional package.
    """
    format_to_write(path)
    target = Path(os.path.realpath(path))
    for place in (target, target.parent):
        if place.exists() and not os.access(place, os.W_OK):
            raise OutputError(f"cannot write {os.fspath(path)}: {place} is read-only")


def _format_to_read(path: Path) -> Format:
    if path.is_dir():
        return FOLDER
    if not path.exists():
        raise FileError(f"there is no file {path}")
    if not path.is_file():
        raise FileError(f"{path} is a device or pipe: found no regular file or folder")
    found = BY_SUFFIX.get(path.suffix.lower())
    if found is None:
        raise FileError(
            f"{path}: found the unknown suffix {path.suffix!r}, known are {_KNOWN}, "
            f"or a folder of .parquet parts"
        )
    if path.stat().st_size == 0:
        raise FileError(f"{path} is empty (0 bytes): found no {found.name} content")
    return found


def format_to_write(path: str | os.PathLike[str]) -> Format:
    """Return the format of a file that is to be written, or say why it cannot be."""
    target = Path(path)
    if target.is_dir():
        raise OutputError(f"cannot write {target}: it is a folder; give a file ({_KNOWN})")
    found = BY_SUFFIX.get(target.suffix.lower())
    if found is None or found.write is None:
        known = ", ".join(suffix for suffix in SUFFIXES if BY_SUFFIX[suffix].write)
        raise OutputError(
            f"cannot write {target}: found the unknown suffix {target.suffix!r}, known are {known}"
        )
    if not target.parent.is_dir():
        raise OutputError(f"cannot write {target}: there is no folder {target.parent}")
    found.need(f"writing {target}")
    return found
