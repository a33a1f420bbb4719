"""What every file format is: a few facts and two functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ..predictions.lazy import LazyValues
from ..predictions.sheet import Sheet

Columns = Mapping[str, NDArray[Any]]
"""Named 1-D arrays of one length: what is written."""

Content = Sheet | NDArray[Any] | Mapping[str, NDArray[Any]]
"""What a file holds: a table, one array, or several named arrays."""

LazyContent = Sheet | LazyValues | Sequence[LazyValues] | Mapping[str, NDArray[Any] | LazyValues]
"""The same with matrices that stay in the file; a sequence is one array of several models."""


def _needs_nothing(what: str) -> None:
    """Stand for a format that the base install can read and write."""


@dataclass(frozen=True)
class Format:
    """One file format. To add one: a file that makes a ``Format``, a line in ``formats.py``.

    The contract tests run over the registry, so a new format inherits them.

    Attributes
    ----------
    name
        What people call it: ``"CSV"``.
    suffixes
        The endings it is known by, lower case, with the dot.
    read
        Takes the path of an existing file that is not empty and returns its content. It calls
        :func:`opinionpool.memory.require` before it allocates, never runs code found in the
        file, and raises ``FileError`` naming the file and the place when something is wrong;
        ``OSError`` and ``MemoryError`` may escape, the caller gives them their sentence.
    write
        Takes a temporary path (it is renamed once all is well, so no half-written file can
        stay behind) and columns that were checked to be 1-D and of one length. None where the
        format is only read.
    need
        Raises ``MissingExtraError`` when a package that the format needs is absent; its
        argument says what for. Heavy packages are imported inside the functions only.
    """

    name: str
    suffixes: tuple[str, ...]
    read: Callable[[Path], Content]
    write: Callable[[Path, Columns], None] | None = None
    need: Callable[[str], None] = _needs_nothing
