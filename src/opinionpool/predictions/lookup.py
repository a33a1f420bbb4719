"""Where values stand among others: by table, by sorting, or by hashing, whichever is fastest.

Seconds for 5,000,000 integers in another order, two busy cores: Python's dict 6.1, a table of
all numbers between the smallest and the largest 0.5, both sides sorted 1.0 (0.8 to 1.2), one side
sorted and searched 4.7 (every step misses the cache), pyarrow's index_in 0.9 to 1.3. For
2,000,000 texts: dict 4.1, index_in 2.4, of which half makes Arrow arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[Any]
Places = NDArray[np.int64]

#: Fewer texts than this are found in less time than it takes to import pyarrow.
_MANY = 100_000
#: A table may be so many times longer than what is looked up in it.
_LOOSE = 4


def places(values: Values, among: Values) -> Places:
    """Return where each value stands in ``among`` (distinct values), −1 if nowhere.

    Values are equal where Python says so: 1 and 1.0 are, 1 and ``"1"`` are not.
    """
    if _same_integers(values, among):
        return _by_number(values, among)
    if values.dtype.kind == "M" and values.dtype == among.dtype:
        # Counts of the same unit. NaT is the lowest integer, and is refused as an id before.
        return _by_number(values.view(np.int64), among.view(np.int64))
    if values.dtype.kind == among.dtype.kind == "f":
        return _by_sorting(values, among)
    if max(len(values), len(among)) >= _MANY and _may_be_text(values) and _may_be_text(among):
        found = _by_arrow(values, among)
        if found is not None:
            return found
    place = {value: i for i, value in enumerate(among.tolist())}
    return np.fromiter((place.get(v, -1) for v in values.tolist()), np.int64, len(values))


def all_distinct(values: Values) -> bool:
    """Whether no value stands twice; NaN is not looked for."""
    if values.dtype.kind in "iufM" and len(values):
        numbers = values.view(np.int64) if values.dtype.kind == "M" else values
        if (numbers[1:] > numbers[:-1]).all():
            return True
        ordered = np.sort(numbers)
        return not bool((ordered[1:] == ordered[:-1]).any())
    return len(set(values.tolist())) == len(values)


def is_all_text(values: Values) -> bool:
    """Whether every value is text, and nothing else."""
    if values.dtype.kind == "O":
        return set(map(type, values.tolist())) <= {str}
    return values.dtype.kind == "U"


def _may_be_text(values: Values) -> bool:
    if values.dtype.kind == "O":
        return isinstance(next(iter(values), None), str)
    return values.dtype.kind == "U"


def _same_integers(values: Values, among: Values) -> bool:
    # int64 and uint64 have no common integer type: NumPy would compare them as floats.
    return (
        values.dtype.kind in "iu"
        and among.dtype.kind in "iu"
        and np.result_type(values, among).kind in "iu"
    )


def _by_number(values: Values, among: Values) -> Places:
    if not len(among) or not len(values):
        return np.full(len(values), -1, np.int64)
    low, high = int(among.min()), int(among.max())
    if high - low >= _LOOSE * len(among):
        return _by_sorting(values, among)
    # A type in which differences of small integers do not wrap around.
    wide = np.result_type(values, among, np.uint64 if among.dtype.kind == "u" else np.int64)
    if wide.kind == "f":
        wide = np.dtype(np.int64)
    table = np.full(high - low + 1, -1, np.int64)
    table[among.astype(wide) - wide.type(low)] = np.arange(len(among))
    found = np.full(len(values), -1, np.int64)
    inside = (values >= low) & (values <= high)
    found[inside] = table[values[inside].astype(wide) - wide.type(low)]
    return found


def _by_sorting(values: Values, among: Values) -> Places:
    found = np.full(len(values), -1, np.int64)
    if not len(among):
        return found
    order, asked = np.argsort(among), np.argsort(values)
    ordered, wanted = among[order], values[asked]
    at = np.minimum(np.searchsorted(ordered, wanted), len(among) - 1)
    found[asked] = np.where(ordered[at] == wanted, order[at], -1)
    return found


def _by_arrow(values: Values, among: Values) -> Places | None:
    """Look texts up with pyarrow; None where it is absent, or they are not all plain text."""
    try:
        import pyarrow as pa
        import pyarrow.compute as pc
    except ImportError:
        return None
    try:
        # Without a type: were it told that these are texts, it would take bytes for them.
        texts, known = pa.array(values), pa.array(among)
    except (UnicodeEncodeError, pa.ArrowException):  # half of a surrogate pair, such as "\ud800"
        return None
    if any(x.type != pa.string() or x.null_count for x in (texts, known)):
        return None
    found = pc.index_in(texts, known).fill_null(-1)
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.int64)
