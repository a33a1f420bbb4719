"""Words: texts of millions of rows, of which few are different, as numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Rows looked at together: a list of their texts is in memory meanwhile.
_CHUNK = 1 << 16


@dataclass(frozen=True)
class Words:
    """Every different text once, in order of first appearance, and which one each row has.

    Attributes
    ----------
    texts
        The different texts.
    numbers
        (N,) of the rows' texts, −1 where there is none.
    """

    texts: tuple[str, ...]
    numbers: NDArray[np.int32]

    def take(self, rows: NDArray[np.int64] | slice) -> Words:
        """Return those of some rows; ``texts`` may hold some that none of these has."""
        return Words(self.texts, self.numbers[rows])


def words_of(values: NDArray[Any]) -> Words | None:
    """Return the words of an array of objects, None where anything but text and None is there."""
    if values.dtype.kind != "O" or values.ndim != 1:
        return None
    known = _Known({None: -1})
    numbers = np.empty(len(values), np.int32)
    try:
        # A tenth of the time that asking each value what it is takes (6,250,000 rows: 0.2 s).
        for first in range(0, len(values), _CHUNK):
            some = values[first : first + _CHUNK].tolist()
            numbers[first : first + len(some)] = list(map(known.__getitem__, some))
    except (_OtherError, TypeError):  # not text, or what no dictionary can hold
        return None
    del known[None]
    return Words(tuple(known), numbers)


class _OtherError(Exception):
    """Something that is no text."""


class _Known(dict[Any, int]):
    """Numbers by text; one that is asked for the first time gets the next."""

    def __missing__(self, value: Any) -> int:
        if not isinstance(value, str):
            raise _OtherError
        self[value] = number = len(self) - 1
        return number
