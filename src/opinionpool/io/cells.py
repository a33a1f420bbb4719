"""What the text cells of a column mean: the one place that decides number or text."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..predictions.sheet import MISSING

# Kinds of a column, or of a part of it. The kind of the whole is the bitwise "or" of its parts:
# integers among floats are floats, but integers that a float would blur must stay text there.
INTEGER, FLOAT, LONG_INTEGER, TEXT = 0b00, 0b01, 0b10, 0b11

DTYPES = {
    INTEGER: np.dtype(np.int64),
    LONG_INTEGER: np.dtype(np.int64),
    FLOAT: np.dtype(np.float64),
    TEXT: np.dtype(object),
}

_END = "\0"  # joins cells, so that one search goes over a whole column
_SHORT = "(?:0|-?[1-9][0-9]{0,14})"
_LONG = "(?:0|-?[1-9][0-9]{0,18})"
_ALL_SHORT = re.compile(f"{_SHORT}(?:{_END}{_SHORT})*")
_ALL_LONG = re.compile(f"{_LONG}(?:{_END}{_LONG})*")
# "007" is a name, and so is a number of 16 digits, where floats no longer tell neighbours apart.
_NAME_OF_DIGITS = re.compile(f"(?<![^{_END}])(?:0[0-9]+|-?[0-9]{{16,}})(?![^{_END}])")


def kind_of(cells: Sequence[str]) -> int:
    """Judge the cells of (a part of) one column; there must be at least one."""
    joined = _END.join(cells)
    if joined.count(_END) != len(cells) - 1:  # a cell holds the joint itself
        return TEXT
    if _ALL_SHORT.fullmatch(joined):
        return INTEGER
    if _ALL_LONG.fullmatch(joined):
        return LONG_INTEGER if all(-(2**63) <= int(cell) < 2**63 for cell in cells) else TEXT
    # float() also takes "1_000" and the digits of other scripts, which no program writes.
    if not joined.isascii() or "_" in joined or _NAME_OF_DIGITS.search(joined):
        return TEXT
    try:
        _floats(cells)
    except ValueError:
        return TEXT
    return FLOAT


def values_of(cells: Sequence[str], kind: int) -> NDArray[Any]:
    """Convert cells to the kind of their column; ``ValueError`` if they are not of it."""
    if kind == FLOAT:
        return _floats(cells)
    if kind == TEXT:
        out = np.empty(len(cells), dtype=object)
        out[:] = [cell if cell.strip() else None for cell in cells]
        return out
    return np.fromiter(map(int, cells), np.int64, len(cells))


def _floats(cells: Sequence[str]) -> NDArray[np.float64]:
    try:
        return np.fromiter(map(float, cells), np.float64, len(cells))
    except ValueError:  # some are absent, or one is no number: then this raises again
        numbers = (math.nan if c.strip().lower() in MISSING else float(c) for c in cells)
        return np.fromiter(numbers, np.float64, len(cells))
