"""Table: one model's outputs as given, and where tables come from.

Arrays become tables here. Files and frames do so in ``io``, which registers itself as a source:
predictions know that there are sources, not which.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, ProbabilityError
from .lazy import LazyValues
from .sheet import Sheet

#: Columns of a model's table that are no classes.
RESERVED = ("id", "label")


@dataclass(frozen=True)
class Table:
    """One model's outputs before any meaning is given to the numbers.

    Attributes
    ----------
    values
        (N, K) floats, or what reads them from a file; (N, 1) for a binary model in one column.
    where
        How messages name it.
    columns
        The classes' names, or None where the columns have none.
    ids, labels, index
        (N,) row ids, labels that came along, row labels of a frame; or None.
    extras
        Further columns that came along (folds, groups, times), by name.
    first_row
        What a person would call the first row.
    """

    values: NDArray[np.floating[Any]] | LazyValues
    where: str
    columns: tuple[str, ...] | None = None
    ids: NDArray[Any] | None = None
    labels: NDArray[Any] | None = None
    index: NDArray[Any] | None = None
    extras: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    first_row: int = 0

    @property
    def array(self) -> NDArray[np.floating[Any]]:
        """The values in memory; what lies in a file is read whole."""
        return np.asarray(self.values)

    def row_name(self, row: int) -> str:
        """Name a row as the caller knows it."""
        if self.ids is not None:
            return f"id {self.ids[row]!s}"
        return f"row {row + self.first_row}"

    def rows(self, first: int, last: int, values: NDArray[np.floating[Any]]) -> Table:
        """Return the table of a block: the rows ``first`` to ``last``, whose values are given.

        Messages about it name the rows of the whole table.
        """
        block = slice(first, last)
        return replace(
            self,
            values=values,
            ids=None if self.ids is None else self.ids[block],
            labels=None if self.labels is None else self.labels[block],
            index=None if self.index is None else self.index[block],
            extras={name: column[block] for name, column in self.extras.items()},
            first_row=self.first_row + first,
        )


@dataclass(frozen=True)
class Source:
    """Turns one kind of foreign object (a path, a data frame) into tables.

    ``claims(obj)`` says whether it can; ``tables(name, obj)`` gives one or more by model name,
    ``name`` being None where the object should bring its own; ``sheet(obj)`` gives a table of
    labels; ``give_back(obj, result, classes, ids)`` returns a result in the object's own type.
    What does not name itself is called m0, m1, … like an array. ``lazy_tables`` is ``tables`` with
    values that stay in their file, where the object is a file that allows it.
    """

    claims: Callable[[Any], bool]
    tables: Callable[[str | None, Any], dict[str, Table]]
    labels: Callable[[Any], Sheet | Mapping[str, NDArray[Any]] | NDArray[Any]]
    give_back: Callable[[Any, NDArray[Any], tuple[str, ...], NDArray[Any] | None], Any]
    names_itself: bool = True
    lazy_tables: Callable[[str | None, Any], dict[str, Table]] | None = None

    def read(self, name: str | None, obj: Any, *, lazily: bool = False) -> dict[str, Table]:
        """Return the tables of an object, unread where asked for and possible."""
        return (self.lazy_tables if lazily and self.lazy_tables else self.tables)(name, obj)


SOURCES: list[Source] = []


def source_of(obj: object) -> Source | None:
    """Return the registered source that claims an object."""
    return next((source for source in SOURCES if source.claims(obj)), None)


def model_table(sheet: Sheet, where: str | None = None) -> Table:
    """Read a sheet as one model's outputs: a column per class, maybe ``id`` and ``label``."""
    names = [name for name in sheet.names if name not in RESERVED]
    where = where or sheet.where
    almost = next((name for name in names if name.strip().lower() in RESERVED), None)
    if almost is not None:
        raise InputError(
            f"{where}: found the column {almost!r}; write {almost.strip().lower()!r} if it is "
            "that, or rename the class"
        )
    if not names:
        raise InputError(
            f"{where}: found no class columns (columns: {', '.join(sheet.names) or 'none'}); "
            "expected one column of numbers per class"
        )
    return Table(
        sheet.matrix(names),
        where,
        tuple(names),
        ids=sheet.columns.get("id"),
        labels=sheet.columns.get("label"),
        index=sheet.index,
        first_row=sheet.first_row,
    )


def array_table(values: object, where: str, *, row: bool = False) -> Table:
    """Read an array as one model's outputs.

    (N, K) as it is; (N,) is a binary model in one column, or with ``row`` one row of classes.
    """
    if isinstance(values, LazyValues):
        return Table(values, where)
    array = as_floats(values, where)
    if array.ndim == 1:
        array = array[None, :] if row else array[:, None]
    if array.ndim != 2:
        raise InputError(
            f"{where}: found an array of shape {array.shape}; expected (rows, classes), or "
            "(rows,) for two classes"
        )
    return Table(array, where, index=index_of(values))


def index_of(values: object) -> NDArray[Any] | None:
    """Return the row labels of a series, None for what has none."""
    index = getattr(values, "index", None)
    return None if index is None or callable(index) else np.asarray(index)


def as_floats(values: object, where: str) -> NDArray[np.floating[Any]]:
    """Return a float32 or float64 array, or say why these are no numbers."""
    if isinstance(values, np.ma.MaskedArray):
        # A masked cell is an absent one.
        floats = np.ma.asarray(values, dtype=np.result_type(values.dtype, np.float32))
        values = np.ma.filled(floats, np.nan)
    try:
        array = np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{where}: cannot be read as an array of numbers ({error})") from None
    if array.dtype.kind in "iub":
        return array.astype(np.float64)
    if array.dtype.kind == "f":
        return array if array.dtype in (np.float32, np.float64) else _widened(array)
    if array.dtype.kind == "O":
        try:
            return array.astype(np.float64)
        except (TypeError, ValueError):
            pass
    raise ProbabilityError(
        f"{where}: found an array of {array.dtype.name}, expected numbers (floating point)"
    )


def _widened(array: NDArray[Any]) -> NDArray[np.floating[Any]]:
    narrow = array.dtype.itemsize <= np.dtype(np.float32).itemsize  # in another order of bytes
    return array.astype(np.float32 if narrow else np.float64)
