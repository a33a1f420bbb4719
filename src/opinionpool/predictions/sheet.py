"""Sheet: named columns as they were read, before any meaning is given to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .lazy import LazyValues

#: Texts that stand for an absent number.
MISSING = frozenset({"", "na", "nan", "null"})


@dataclass(frozen=True)
class Sheet:
    """What a table holds, whatever it was read from: a CSV file, Parquet, a data frame.

    Attributes
    ----------
    columns
        Name to 1-D array, all of one length: numbers, booleans, or text. An absent number is
        NaN, an absent text is None (object array).
    where
        How messages name this table: ``"a.csv"``, ``"data frame of model 'a'"``.
    first_row
        What a person would call the first row (a CSV file with a header: 2).
    index
        Row labels of a data frame that carries them, never used to match, only compared.
    """

    columns: Mapping[str, NDArray[Any]]
    where: str
    first_row: int = 1
    index: NDArray[Any] | None = field(default=None)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all columns, in order."""
        return tuple(self.columns)

    @property
    def n_rows(self) -> int:
        """Number of rows; 0 for a sheet without columns."""
        return next((len(column) for column in self.columns.values()), 0)

    def numbers(self, name: str) -> NDArray[np.floating[Any]]:
        """Return a column as floats (float32 stays so), or say which cell is no number."""
        column = self.columns[name]
        if column.dtype.kind == "f":
            return column if column.dtype.itemsize in (4, 8) else column.astype(np.float64)
        if column.dtype.kind in "iub":
            return column.astype(np.float64)
        out = np.empty(len(column))
        for row, cell in enumerate(column):
            try:
                absent = cell is None or (isinstance(cell, str) and cell.strip().lower() in MISSING)
                out[row] = np.nan if absent else float(cell)
            except (TypeError, ValueError):
                raise InputError(
                    f"{self.where}, row {row + self.first_row}, column {name!r}: found "
                    f"{cell!r} where a number belongs"
                ) from None
        return out

    def matrix(self, names: Sequence[str]) -> NDArray[np.floating[Any]] | LazyValues:
        """Return columns as (N, K) floats, float32 where all are."""
        if not self.n_rows:
            return np.empty((0, len(names)))
        return np.stack([self.numbers(name) for name in names], axis=1)


@dataclass(frozen=True)
class LazySheet(Sheet):
    """A sheet of which only the columns that are no numbers of a model were read.

    Attributes
    ----------
    deferred
        Names of the other columns, in order.
    values
        (N, K) of these columns, unread.
    order
        Names of all columns, in order.
    """

    deferred: tuple[str, ...] = ()
    values: LazyValues | None = None
    order: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all columns, in order."""
        return self.order

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return 0 if self.values is None else len(self.values)

    def matrix(self, names: Sequence[str]) -> NDArray[np.floating[Any]] | LazyValues:
        """Return the deferred columns, all of them: whoever defers knows which are wanted."""
        assert self.values is not None
        assert tuple(names) == self.deferred
        return self.values
