"""Codes: labels that are whole numbers, and whether their sorted order names columns in doubt.

Unnamed columns are the sorted labels where there are as many (:mod:`.classes`). Two mistakes pass
that rule without an error, and every column behind them is another class:

- Numbers as text are sorted as text, "10" before "2".
- A stray number (999 for "unknown") takes the place of a class that the labels lack.

The second is told from codes that are meant, such as −1 and 1, or 10, 20 and 30, by this rule: of
four labels or more, all but a few are among 0…K−1, or all but a few among 1…K. A few are one in
ten, or one where there are fewer than twenty. Labels without a gap (−1, 0, 1, 2; wine's 3…9) are
meant, and two or three labels say too little: 0 and 2, or 1, 2 and 4, are codes like any other.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

_ENOUGH = 4
_ONE_IN = 10

# As classes are compared, "3.0" is 3; with more digits it is no number of a column.
_NUMBER = re.compile(r"\s*([+-]?[0-9]{1,18})(?:\.0*)?\s*")

_REMEDY = "pass classes= with the columns' classes in order"


def doubt(labels: Sequence[Any]) -> str | None:
    """Return what to warn of where these sorted, distinct labels name as many columns."""
    if set(map(type, labels)) <= {int, float}:
        return _strays(labels, labels)
    numbers = _whole(labels)
    if numbers is None:
        return None
    order = sorted(range(len(numbers)), key=numbers.__getitem__)
    for at, right in enumerate(order):
        if at != right:
            return (
                "the labels are whole numbers as text, so the unnamed columns were named in the "
                f"order of text: column {at} is {labels[at]!r}, not {labels[right]!r}; give the "
                f"labels as numbers, or {_REMEDY}"
            )
    return _strays(labels, numbers)


def doubt_of_two(labels: Sequence[Any]) -> str | None:
    """Return what to warn of where a single column is the second of two sorted labels."""
    numbers = _whole(labels)
    if numbers is None or numbers[0] <= numbers[1]:
        return None
    return (
        "the labels are whole numbers as text, so the one column was taken for the second in the "
        f"order of text: {labels[1]!r}, not {labels[0]!r}; give the labels as numbers, or pass "
        "positive= with the column's class"
    )


def _whole(labels: Sequence[Any]) -> list[int] | None:
    """Return the whole numbers that labels are the text of; None if one of them is of none."""
    numbers = []
    for label in labels:
        found = _NUMBER.fullmatch(str(label))
        if found is None:
            return None
        numbers.append(int(found[1]))
    return numbers


def _strays(labels: Sequence[Any], numbers: Sequence[float]) -> str | None:
    """Return what to warn of where few of the sorted numbers are outside 0…K−1, or 1…K."""
    k = len(numbers)
    if k < _ENOUGH or numbers[-1] - numbers[0] == k - 1:
        return None
    # Which of the two is meant: the one with fewer strays, counted from 0 if there is a 0.
    spans = [
        (bisect_left(numbers, first), bisect_left(numbers, first + k), first)
        for first in ((0, 1) if 0 in numbers else (1, 0))
    ]
    low, high, first = max(spans, key=lambda span: span[1] - span[0])
    if not 0 < k - (high - low) <= max(1, k // _ONE_IN):
        return None
    if not all(type(v) is int or float(v).is_integer() for v in numbers):
        return None
    strays = [*labels[:low], *labels[high:]]
    said = repr(strays[0]) + (f" and {len(strays) - 1} more" if len(strays) > 1 else "")
    at = next(i for i, v in enumerate(numbers) if v != first + i)
    return (
        f"all but {said} of the {k} classes of the labels are among {first}…{first + k - 1}, but "
        "there is one for each of the unnamed columns, which were named after them in order: "
        f"column {at} is {labels[at]!r}; correct the labels, or {_REMEDY}"
    )
