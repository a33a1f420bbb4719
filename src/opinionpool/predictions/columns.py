"""Columns: the classes of all models together, and each table's columns in their order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from ..errors import AlignmentError, InputError, LabelError, warn
from ..families import CATEGORICAL, Family
from .classes import Label, aligned_columns, class_text, plain, sorted_labels, unnamed_classes
from .codes import doubt_of_two
from .confidence import Scores
from .table import Table

Kinds = str | Mapping[str, str | None]


@dataclass(frozen=True)
class Reading:
    """How numbers are to be read; what a fitted pool remembers to read them the same way."""

    kind: Kinds = "auto"
    classes: Sequence[object] | None = None
    positive: object = None
    renormalise: bool = False
    family: Family = CATEGORICAL
    confidence: Scores | None = None


def classes_of(
    tables: Mapping[str, Table], reading: Reading, hard: NDArray[Any] | None
) -> tuple[Sequence[Label], list[list[int] | None]]:
    """Return the classes, and each table's columns in their order (None for a single column).

    A single column is turned over where it is the first of the two classes, which is said by
    the order ``[1, 0]`` after its expansion to two.
    """
    _check_given(reading.classes)
    several = {name: t for name, t in tables.items() if t.values.shape[1] > 1}
    classes = (
        _several_classes(several, reading, hard) if several else _two_classes(tables, reading, hard)
    )
    unnamed = all(t.columns is None for t in several.values()) and len(several) == len(tables)
    if unnamed and reading.positive is None:
        return classes, [None] * len(tables)
    texts = [class_text(c) for c in classes]
    positive = 1
    if reading.positive is not None:
        if class_text(reading.positive) not in texts or len(texts) != 2:
            raise InputError(
                f"positive: found {reading.positive!r}, expected one of the two classes; the "
                f"classes are {', '.join(texts)}"
            )
        positive = texts.index(class_text(reading.positive))
    order: list[list[int] | None] = []
    for table in tables.values():
        if table.values.shape[1] == 1:
            if len(classes) != 2:
                raise AlignmentError(
                    f"{table.where}: found one column, which is enough for two classes; there are "
                    f"{len(classes)} ({', '.join(texts[:8])})"
                )
            own = class_text(table.columns[0]) if table.columns else None
            second = texts.index(own) if own in texts else positive
            order.append([0, 1] if second == 1 else [1, 0])
        elif table.columns is None:
            order.append(None)
        else:
            order.append(
                aligned_columns([("the classes", texts), (table.where, table.columns)])[1][1]
            )
    return classes, order


def _several_classes(
    tables: Mapping[str, Table], reading: Reading, hard: NDArray[Any] | None
) -> Sequence[Label]:
    named = [(t.where, t.columns) for t in tables.values() if t.columns is not None]
    if named:
        classes: Sequence[Label] = list(aligned_columns(named)[0])
        if reading.classes is not None:
            asked = [plain(c) for c in reading.classes]
            aligned_columns([("classes=", [class_text(c) for c in asked]), *named])
            classes = asked
    else:
        first = next(iter(tables.values()))
        classes = unnamed_classes(first.values.shape[1], reading.classes, hard)
    for table in tables.values():
        if table.values.shape[1] != len(classes):
            raise AlignmentError(
                f"{table.where}: found {table.values.shape[1]} columns for {len(classes)} classes; "
                "every model must have the same classes"
            )
    return classes


def _two_classes(
    tables: Mapping[str, Table], reading: Reading, hard: NDArray[Any] | None
) -> Sequence[Label]:
    """Name the classes of models that all have one column."""
    own = [class_text(t.columns[0]) if t.columns else None for t in tables.values()]
    names = {name for name in own if name is not None}
    if reading.classes is not None:
        if len(reading.classes) != 2:
            where = next(iter(tables.values())).where
            raise AlignmentError(
                f"{where}: found one column, which is enough for two classes; there are "
                f"{len(reading.classes)} ({', '.join(map(str, reading.classes[:8]))})"
            )
        return unnamed_classes(2, reading.classes, hard)
    if hard is not None:
        distinct = sorted_labels(hard)
        if len(distinct) == 2:
            said = reading.positive is not None or set(own) <= {class_text(c) for c in distinct}
            doubtful = None if said else doubt_of_two(distinct)
            if doubtful:
                warn(doubtful)
            return distinct
        for pair in ([0, 1], [False, True]):
            if {class_text(c) for c in distinct} <= {class_text(c) for c in pair}:
                return list(pair)
        raise LabelError(
            f"one column per model is enough for two classes, but the labels hold "
            f"{len(distinct)} ({', '.join(map(str, distinct[:8]))}); pass classes= with both "
            "classes, or give one column per class"
        )
    name = next(iter(names)) if len(names) == 1 else "1"
    return [0, 1] if name in ("0", "1") else [f"not {name}", name]


def _check_given(classes: Sequence[object] | None) -> None:
    """Refuse ``classes=`` that is no sequence, or names a class twice."""
    if classes is None:
        return
    if isinstance(classes, str | bytes) or not hasattr(classes, "__len__"):
        raise InputError(f"classes: found {classes!r}, expected the classes in a list")
    texts = [class_text(c) for c in classes]
    if len(set(texts)) < len(texts):
        twice = next(text for text in texts if texts.count(text) > 1)
        raise InputError(f"classes: {twice!r} stands twice; every class has one column")
