"""Classes: which column is which, whatever type the names and the labels have."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from operator import eq
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import AlignmentError, LabelError, warn
from .codes import doubt
from .words import Words

_WHOLE = re.compile(r"[+-]?\d+\.0*")

Label = str | int | float | bool


def class_text(label: object) -> str:
    """Write a class the one way it is compared: 3, 3.0, "3" and "3.0" are the same class."""
    if type(label) is int:  # most of a hundred thousand, a tenth of the time
        return str(label)
    if isinstance(label, (bool, np.bool_)):
        return str(bool(label))
    if isinstance(label, (float, np.floating)) and float(label).is_integer():
        return str(int(label))
    text = str(label).strip() or str(label)
    return str(int(float(text))) if _WHOLE.fullmatch(text) else text


def is_absent(value: object) -> bool:
    """Whether a cell stands for no value: None, NaN, NaT, or a library's own mark for absent."""
    if value is None:
        return True
    try:
        return bool(value != value)
    except (TypeError, ValueError):  # pandas.NA has no truth value
        return True


def plain(label: object) -> Label:
    """Return a label as the plain Python value that a JSON file can hold."""
    value = label.item() if isinstance(label, np.generic) else label
    return value if isinstance(value, (str, int, float, bool)) else str(value)


def sorted_labels(labels: NDArray[Any]) -> list[Label]:
    """Return the distinct labels, sorted as values where possible and as text otherwise."""
    if labels.dtype.kind in "iubfUS":  # of one type: as many texts as values
        labels = _unique(labels)
    if labels.dtype.kind in "iu":  # as many texts as numbers, and in order
        return list(labels.tolist())
    distinct = {class_text(label): plain(label) for label in labels}
    try:
        return sorted(distinct.values())
    except TypeError:
        return [distinct[text] for text in sorted(distinct)]


def _unique(labels: NDArray[Any]) -> NDArray[Any]:
    """Return the distinct labels; of whole numbers close together by counting, not sorting."""
    if labels.dtype.kind in "iu" and len(labels):
        low, high = int(labels.min()), int(labels.max())
        if high - low < len(labels) and low > -(2**62) and high < 2**62:
            whole = labels.astype(np.int64, copy=False)  # before anything overflows
            seen = np.bincount(whole if low == 0 else whole - low)
            return np.asarray(np.flatnonzero(seen) + low, dtype=labels.dtype)
    return np.unique(labels)


def aligned_columns(
    named: Sequence[tuple[str, Sequence[str]]],
) -> tuple[list[str], list[list[int]]]:
    """Align named class columns of several tables to those of the first.

    Parameters
    ----------
    named
        Where each table is from, and its class columns.

    Returns
    -------
    classes, order
        The first table's classes, and for each table the positions of these classes.

    Raises
    ------
    AlignmentError
        Naming the class a model lacks, has besides, or has twice.
    """
    where, columns = named[0]
    classes = list(columns)
    texts = [class_text(name) for name in classes]
    order = []
    for other, names in named:
        position: dict[str, int] = {}
        for i, name in enumerate(names):
            if position.setdefault(class_text(name), i) != i:
                raise AlignmentError(f"{other}: class {class_text(name)!r} has two columns")
        lacking = [text for text in texts if text not in position]
        surplus = sorted(set(position) - set(texts))
        if lacking or surplus:
            said = _listed(lacking) if lacking else _listed(surplus)
            raise AlignmentError(
                f"{other} lacks class {said}, which {where} has"
                if lacking
                else f"{where} lacks class {said}, which {other} has"
            )
        order.append([position[text] for text in texts])
    return classes, order


def unnamed_classes(
    n_columns: int, given: Sequence[object] | None, labels: NDArray[Any] | None
) -> Sequence[Label]:
    """Name columns that have no names (design.md, "Shapes and labels").

    ``classes=`` if given, else the sorted labels when there are as many, else 0…K−1 when every
    label is such a number, or when there are no labels at all. Sorted labels that may be others
    than the columns' are warned of (:mod:`.codes`).
    """
    if given is not None:
        if len(given) != n_columns:
            raise AlignmentError(
                f"classes: found {len(given)} ({_listed([str(c) for c in given])}) for predictions "
                f"with {n_columns} columns"
            )
        return [plain(label) for label in given]
    if labels is None:
        return counted(n_columns)
    distinct = sorted_labels(labels)
    if len(distinct) == n_columns:
        doubtful = doubt(distinct)
        if doubtful:
            warn(doubtful)
        return distinct
    if n_columns == 2 and all(isinstance(label, bool) for label in distinct):
        return [False, True]
    if all(_is_counted(label, n_columns) for label in distinct):
        return counted(n_columns)
    raise LabelError(
        f"the predictions have {n_columns} unnamed columns and the labels {len(distinct)} "
        f"classes ({_listed([str(c) for c in distinct])}); pass classes= with the columns' "
        "classes in order, or give named columns"
    )


def _is_counted(label: Label, n: int) -> bool:
    """Whether a class's text is that of one of the numbers 0…n−1."""
    if type(label) is int:
        return 0 <= label < n
    text = class_text(label)
    few = len(text) <= len(str(n))  # int() refuses thousands of digits
    return few and text.isascii() and text.isdecimal() and str(int(text)) == text and int(text) < n


@lru_cache(maxsize=1)
def counted(n: int) -> tuple[int, ...]:
    """Return the numbers 0…n−1: the same tuple again, which is then known at a glance."""
    return tuple(range(n))


def are_counted(classes: Sequence[object]) -> bool:
    """Whether classes are the numbers 0…K−1 (and not False and True, which equal two of them)."""
    if classes is counted(len(classes)):
        return True
    return all(map(eq, classes, range(len(classes)))) and set(map(type, classes)) <= {int}


def class_numbers(
    labels: NDArray[Any] | Words,
    classes: Sequence[object],
    where: str,
    rows: NDArray[np.int64],
    first_row: int = 0,
) -> NDArray[np.int64]:
    """Return each label's class number; a label outside the classes is an error.

    ``rows`` are the labels' rows, which the caller counts from ``first_row`` on.
    """
    if isinstance(labels, np.ndarray) and labels.dtype.kind in "iu":
        whole = labels.astype(np.int64, copy=False)
        if len(whole) and are_counted(classes) and 0 <= whole.min() <= whole.max() < len(classes):
            return whole
    number = {class_text(name): i for i, name in enumerate(classes)}
    distinct, inverse = _distinct(labels)
    found = np.array([number.get(class_text(label), -1) for label in distinct], dtype=np.int64)
    numbers = np.asarray(found[inverse])
    if (numbers < 0).any():
        which = list(dict.fromkeys(inverse[numbers < 0].tolist()))
        if not isinstance(labels, Words):  # whose order may be that of other rows
            which.sort()
        strange = [str(distinct[i]) for i in which]
        first = rows[int((numbers < 0).argmax())] + first_row
        raise LabelError(
            f"{where}, row {first}: label {_listed(strange)} is none of the classes "
            f"{_listed([str(c) for c in classes])}"
        )
    return numbers


def _distinct(labels: NDArray[Any] | Words) -> tuple[Sequence[Any], NDArray[np.integer[Any]]]:
    if isinstance(labels, Words):
        return labels.texts, labels.numbers
    if labels.dtype.kind != "O":
        values, inverse = np.unique(labels, return_inverse=True)
        return list(values), inverse.astype(np.int64)
    seen: dict[Any, int] = {}
    inverse = np.array([seen.setdefault(label, len(seen)) for label in labels], dtype=np.int64)
    return list(seen), inverse


def _listed(names: Sequence[str], most: int = 8) -> str:
    shown = ", ".join(repr(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
