"""Sheet: named columns as they were read, before any meaning is given to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

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
