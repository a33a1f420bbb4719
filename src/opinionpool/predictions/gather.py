"""From whatever the caller has to aligned predictions: the one door below the library's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import AlignmentError, InputError, LabelError, warn
from ..memory import require
from .classes import (
    Label,
    aligned_columns,
    class_text,
    plain,
    sorted_labels,
    unnamed_classes,
)
from .kinds import checked_kind, detect_kind, log_probabilities, presence
from .predictions import Predictions
from .rows import align, distinct_names
from .table import Table, array_table, source_of
from .targets import RawLabels, Targets, labels_of_table, read_labels, targets

Kinds = str | Mapping[str, str | None]
GiveBack = Callable[[NDArray[Any], tuple[Label, ...], NDArray[Any] | None], Any]


@dataclass(frozen=True)
class Reading:
    """How numbers are to be read; what a fitted pool remembers to read them the same way."""

    kind: Kinds = "auto"
    classes: Sequence[object] | None = None
    positive: object = None
    renormalise: bool = False


@dataclass(frozen=True)
class Gathered:
    """Predictions, the labels that came with them or were given, and how to give results back."""

    predictions: Predictions
    targets: Targets | None
    give_back: GiveBack
    one_row: bool = False
    tables: Mapping[str, Table] = field(default_factory=dict)


def gather(
    inputs: object,
    reading: Reading = Reading(),
    *,
    y: object = None,
    sample_weight: object = None,
    row: bool = False,
    own_labels: bool = False,
) -> Gathered:
    """Read, align and check the predictions of several models.

    Parameters
    ----------
    inputs
        A mapping from model name to array, frame or path; a sequence of these; an (M, N, K)
        array; a path.
    reading
        Kinds, classes and the like.
    y, sample_weight
        Labels and row weights, if any.
    row
        Whether a one-dimensional array is one row of classes rather than a binary column.
    own_labels
        Whether to use labels that a table brought along when ``y`` is None.
    """
    tables, give_back, one_row = tables_of(inputs, row=row)
    for table in tables.values():
        if table.values.shape[0] == 0:
            raise InputError(f"{table.where}: found zero rows, expected at least one")
        if table.values.shape[1] == 0:
            raise InputError(f"{table.where}: found zero classes, expected at least two")
    raw = read_labels(y) if y is not None else _own(tables) if own_labels else None
    alignment = align(tables)
    classes, order = _classes(tables, reading, raw)
    m, n, k = len(tables), alignment.n_rows, len(classes)
    require(3 * 8 * m * n * k, f"the predictions of {m} models for {n} rows and {k} classes")
    kinds = _kinds_asked(tables, reading.kind)
    log_p = np.empty((m, n, k))
    present = np.empty((m, n), dtype=bool)
    used: list[str | None] = []
    for i, (name, table) in enumerate(tables.items()):
        own, kind = _model_log_p(table, kinds[name], order[i], reading)
        position = alignment.positions[i]
        log_p[i] = own[position]
        present[i] = ~np.isnan(log_p[i, :, 0])
        log_p[i, position < 0] = np.nan
        present[i, position < 0] = False
        used.append(kind)
    narrow = all(table.values.dtype == np.float32 for table in tables.values())
    predictions = Predictions(
        tuple(tables),
        tuple(classes),
        log_p,
        None if present.all() else present,
        tuple(used),
        alignment.ids,
        np.dtype(np.float32 if narrow else np.float64),
    )
    found = None
    if raw is not None:
        index = next((t.index for t in tables.values() if t.index is not None), None)
        found = targets(raw, tuple(classes), n, alignment.ids, index, sample_weight)
        _warn_if_one_class(found)
    return Gathered(predictions, found, give_back, one_row, tables)


def tables_of(inputs: object, *, row: bool = False) -> tuple[dict[str, Table], GiveBack, bool]:
    """Turn inputs into one table per model, by name in order; say if all were single rows."""
    source = source_of(inputs)
    if source is not None:
        return source.tables(None, inputs), _giver(inputs), False
    if isinstance(inputs, Mapping):
        named: list[tuple[str | None, Any]] = [(_name(n), value) for n, value in inputs.items()]
    elif isinstance(inputs, str | bytes):
        raise InputError(f"predictions: found {inputs!r}, expected models' outputs or their files")
    else:
        named = _unnamed(inputs)
    if not named:
        raise InputError("predictions: found no model, expected at least one")
    tables: dict[str, Table] = {}
    for given, value in named:
        source = source_of(value)
        if source is not None:
            found = source.tables(given, value)
        else:
            name = given if given is not None else f"m{len(tables)}"
            found = {name: array_table(value, f"model {name!r}", row=row)}
        distinct_names([*tables, *found])
        tables.update(found)
    one_row = row and all(_is_vector(value) for _, value in named)
    return tables, _giver(named[0][1]), one_row


def _unnamed(inputs: object) -> list[tuple[str | None, Any]]:
    if isinstance(inputs, Iterable) and not hasattr(inputs, "ndim"):
        return [(None, value) for value in inputs]
    ndim = getattr(inputs, "ndim", 0)
    if ndim not in (2, 3):
        raise InputError(
            f"predictions: found {type(inputs).__name__}"
            + (f" with {ndim} dimension(s)" if hasattr(inputs, "ndim") else "")
            + "; expected a mapping from model name to array, a list of arrays, or one array of "
            "shape (models, rows, classes)"
        )
    return [(None, inputs[i]) for i in range(len(inputs))]  # type: ignore[arg-type,index]


def _name(name: object) -> str:
    if not isinstance(name, str):
        raise InputError(f"predictions: found the model name {name!r}, expected text")
    return name


def _is_vector(value: Any) -> bool:
    return np.ndim(value) == 1


def _giver(original: Any) -> GiveBack:
    """Return how a result becomes what the caller works with: its frame type or array library."""
    source = source_of(original)

    def give_back(p: NDArray[Any], classes: tuple[Label, ...], ids: NDArray[Any] | None) -> Any:
        if source is not None:
            return source.give_back(original, p, tuple(class_text(c) for c in classes), ids)
        if isinstance(original, np.ndarray | Sequence):
            return p
        from array_api_compat import array_namespace, is_array_api_obj

        return array_namespace(original).asarray(p) if is_array_api_obj(original) else p

    return give_back


def _own(tables: Mapping[str, Table]) -> RawLabels | None:
    return next((own for own in map(labels_of_table, tables.values()) if own is not None), None)


def _classes(
    tables: Mapping[str, Table], reading: Reading, raw: RawLabels | None
) -> tuple[list[Label], list[list[int] | None]]:
    """Return the classes, and each table's columns in their order (None for a single column).

    A single column is turned over where it is the first of the two classes, which is said by
    the order ``[1, 0]`` after its expansion to two.
    """
    hard = None if raw is None else raw.hard_values()
    several = {name: t for name, t in tables.items() if t.values.shape[1] > 1}
    classes = (
        _several_classes(several, reading, hard) if several else _two_classes(tables, reading, hard)
    )
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
) -> list[Label]:
    named = [(t.where, t.columns) for t in tables.values() if t.columns is not None]
    if named:
        classes: list[Label] = list(aligned_columns(named)[0])
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
) -> list[Label]:
    """Name the classes of models that all have one column."""
    names = {class_text(t.columns[0]) for t in tables.values() if t.columns}
    if reading.classes is not None:
        return unnamed_classes(2, reading.classes, hard)
    if hard is not None:
        distinct = sorted_labels(hard)
        if len(distinct) == 2:
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


def _model_log_p(
    table: Table, kind: str, order: list[int] | None, reading: Reading
) -> tuple[NDArray[np.float64], str | None]:
    present = presence(table)
    found = detect_kind(table, present) if kind == "auto" else kind
    if found is None:
        k = max(2, table.values.shape[1])
        return np.full((len(table.values), k), np.nan), None
    log_p = log_probabilities(table, present, found, renormalise=reading.renormalise)
    return (log_p if order is None else log_p[:, order]), found


def _kinds_asked(tables: Mapping[str, Table], kind: Kinds) -> dict[str, str]:
    if isinstance(kind, str):
        return dict.fromkeys(tables, checked_kind(kind))
    return {name: checked_kind(kind.get(name) or "auto") for name in tables}


def _warn_if_one_class(found: Targets) -> None:
    numbers = found.outcomes.classes
    if numbers is not None and len(numbers) > 1 and (numbers == numbers[0]).all():
        warn(
            f"all {len(numbers)} labels are of one class: nothing tells good weights from bad",
        )
