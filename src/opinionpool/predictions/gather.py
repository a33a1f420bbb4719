"""From whatever the caller has to aligned predictions: the one door below the library's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, LabelError, warn
from ..kernels.arrays import common_dtype
from ..kernels.warm import warming
from ..memory import require
from . import gaussians
from .classes import Label, class_text
from .columns import Kinds, Reading, classes_of
from .confidence import take_scores
from .in_place import Layout, left_in_place, stays_in_place
from .inputs import ROOM, GiveBack, stays_in_files, tables_of
from .kinds import checked_kind, detect_kind, log_probabilities, presence
from .labels import RawLabels, labels_of_table, read_labels
from .lazy import LazyValues
from .predictions import Predictions
from .rows import Alignment, align
from .table import Table
from .targets import Targets, targets

#: Bytes that labels, ids, weights and places take for each row.
_PER_ROW = 64
#: Every kind detected, classes as they are named.
AS_FOUND = Reading()


@dataclass(frozen=True)
class Gathered:
    """Predictions, the labels that came with them or were given, and how to give results back."""

    predictions: Predictions
    targets: Targets | None
    give_back: GiveBack
    one_row: bool = False
    tables: Mapping[str, Table] = field(default_factory=dict)
    #: (M,) mean losses of the models on the labelled rows that they answered, where known.
    losses: NDArray[np.float64] | None = None


def gather(
    inputs: object,
    reading: Reading = AS_FOUND,
    *,
    y: object = None,
    sample_weight: object = None,
    row: bool = False,
    own_labels: bool = False,
    lazily: bool = False,
    memory: int | None = None,
    threads: int = 1,
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
    lazily
        Whether large predictions may be left where they are: the caller works by blocks.
    memory
        Bytes that reading and computing may take: files are then read block by block, over and
        over, where they would need more. None to read them once, whole. Needs ``lazily``.
    threads
        How many threads may check large predictions.
    """
    with warming(stays_in_files(inputs, memory)):
        given = opened(inputs, reading, y=y, row=row, own_labels=own_labels, memory=memory)
        tables, alignment, raw = given.tables, given.alignment, given.raw
        found = None
        if raw is not None:
            index = next((t.index for t in tables.values() if t.index is not None), None)
            n, ids = alignment.n_rows, alignment.ids
            found = targets(raw, given.classes or None, n, ids, index, sample_weight)
            _warn_if_one_class(found)
            # Labels as given, of millions of rows, need not wait in memory until cells are read.
            given, raw = replace(given, raw=None), None
    predictions, losses = predictions_of(
        given, found, lazily=lazily, memory=memory, threads=threads
    )
    return Gathered(predictions, found, given.give_back, given.one_row, tables, losses)


def _read_within(table: Table, n_bytes: int) -> Table:
    """Return a table whose file is read with buffers of so many bytes, if it is in one."""
    values = table.values
    return (
        replace(table, values=values.within(n_bytes)) if isinstance(values, LazyValues) else table
    )


@dataclass(frozen=True)
class Opened:
    """Tables, which of their rows belong together, and how their columns are to be read."""

    reading: Reading
    tables: Mapping[str, Table]
    alignment: Alignment
    layout: Layout | None
    scores: Mapping[str, NDArray[np.float64]] | None
    raw: RawLabels | None
    give_back: GiveBack
    one_row: bool

    @property
    def classes(self) -> tuple[Label, ...]:
        """The classes; none where the family has none."""
        return () if self.layout is None else self.layout.classes

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of results: float32 when all inputs are, else float64."""
        return common_dtype([table.values for table in self.tables.values()])

    @property
    def columns(self) -> tuple[Label, ...]:
        """Names of what a result has per row."""
        return self.classes or self.reading.family.columns

    @property
    def names(self) -> tuple[str, ...]:
        """Of the models."""
        return tuple(self.tables)

    @property
    def n_rows(self) -> int:
        """How many rows the models have between them."""
        return self.alignment.n_rows

    @property
    def ids(self) -> NDArray[Any] | None:
        """(N,) of the rows; None where they are known by their places."""
        return self.alignment.ids

    def values(self) -> Iterator[tuple[str, NDArray[Any] | LazyValues]]:
        """Yield every model's name and cells."""
        for name, table in self.tables.items():
            yield name, table.values


def opened(
    inputs: object,
    reading: Reading,
    *,
    y: object = None,
    row: bool = False,
    own_labels: bool = False,
    memory: int | None = None,
) -> Opened:
    """Open and align tables; their cells are not looked at yet. See :func:`gather`."""
    pairs = len(reading.family.columns) == 2
    tables, give_back, one_row = tables_of(inputs, row=row, pairs=pairs, lazily=memory is not None)
    if memory is not None and ROOM * sum(t.values.nbytes for t in tables.values()) <= memory:
        tables = {name: replace(table, values=table.array) for name, table in tables.items()}
    if memory is not None:
        share = memory // 2 // len(tables)
        tables = {name: _read_within(table, share) for name, table in tables.items()}
    for table in tables.values():
        if table.values.shape[0] == 0:
            raise InputError(f"{table.where}: found zero rows, expected at least one")
        if table.values.shape[1] == 0:
            raise InputError(f"{table.where}: found zero columns, expected at least one")
    scores = None
    if reading.confidence is not None:
        tables, scores = take_scores(tables, reading.confidence)
    raw = read_labels(y) if y is not None else None
    alignment = align(tables)
    if raw is None and own_labels:
        raw = _own(tables, alignment)
    layout = None if reading.family.columns else _layout(tables, reading, raw)
    if raw is not None and layout is not None:
        raw = raw.lighter(alignment.ids)
    return Opened(reading, tables, alignment, layout, scores, raw, give_back, one_row)


def predictions_of(
    given: Opened,
    found: Targets | None = None,
    *,
    lazily: bool,
    large: int | None = None,
    memory: int | None = None,
    threads: int = 1,
) -> tuple[Predictions, NDArray[np.float64] | None]:
    """Read and check the cells of tables; return the models' mean losses too where known."""
    tables, alignment, layout = given.tables, given.alignment, given.layout
    reading = given.reading
    m, n, size = len(tables), alignment.n_rows, len(given.classes) or 2
    in_place = lazily and stays_in_place(tables, reading, m * n * size, large)
    if in_place and layout is not None:
        if memory is not None:  # what is noted of each row takes its part
            memory = max(memory // 4, memory - _PER_ROW * n)
        return left_in_place(tables, alignment, layout, reading, found, threads, memory)
    read = _moments(tables, reading) if layout is None else _log_p(tables, reading, layout)
    require(3 * 8 * m * n * size, f"the predictions of {m} models for {n} rows and {size} columns")
    parameters = np.empty((m, n, size))
    present = np.empty((m, n), dtype=bool)
    used: list[str | None] = []
    for i, name in enumerate(tables):
        own, kind = read(name)
        position = alignment.positions[i]
        parameters[i] = own if position is None else own[position]
        present[i] = ~np.isnan(parameters[i, :, -1])
        if position is not None:
            parameters[i, position < 0] = np.nan
            present[i, position < 0] = False
        used.append(kind)
    confidence = None
    if given.scores is not None:
        positions = zip(tables, alignment.positions, strict=True)
        confidence = np.stack(
            [given.scores[name][slice(None) if p is None else p] for name, p in positions]
        )
        confidence[~present] = np.nan
    predictions = Predictions(
        tuple(tables),
        given.classes,
        parameters,
        None if present.all() else present,
        tuple(used),
        alignment.ids,
        given.dtype,
        reading.family,
        confidence,
    )
    return predictions, None


#: One model's parameters (N, P) and kind, by its name.
Reader = Callable[[str], tuple[NDArray[np.float64], str | None]]


def _layout(tables: Mapping[str, Table], reading: Reading, raw: RawLabels | None) -> Layout:
    """Return the classes, and how each table's columns are to be read."""
    gaussians.refuse_moments(tables)
    hard = None if raw is None else raw.hard_values()
    classes, order = classes_of(tables, reading, hard)
    kinds = _kinds_asked(tables, reading.kind, checked_kind)
    return Layout(tuple(classes), dict(zip(tables, order, strict=True)), kinds)


def _log_p(tables: Mapping[str, Table], reading: Reading, layout: Layout) -> Reader:
    """Return what reads a model's table as log-probabilities."""
    columns, kinds = layout.columns, layout.kinds
    return lambda name: _model_log_p(tables[name], kinds[name], columns[name], reading)


def _moments(tables: Mapping[str, Table], reading: Reading) -> Reader:
    """Return what reads a model's table as means and variances."""
    for option, value in (("classes", reading.classes), ("positive", reading.positive)):
        if value is not None:
            raise InputError(f"{option}: {reading.family.name} predictions have no classes")
    if reading.renormalise:
        raise InputError(f"renormalise: {reading.family.name} predictions have no sums")
    spreads = _kinds_asked(tables, reading.kind, gaussians.checked_kind)
    return lambda name: gaussians.read_moments(tables[name], reading.family, spreads[name])


def _own(tables: Mapping[str, Table], alignment: Alignment) -> RawLabels | None:
    """Return the labels that the tables brought along; they have to agree."""
    first: tuple[RawLabels, list[str | None]] | None = None
    for table, position in zip(tables.values(), alignment.positions, strict=True):
        raw = labels_of_table(table)
        if raw is None:
            continue
        known = raw.known()
        texts = (
            [
                class_text(raw.values[i]) if i >= 0 and known[i] else None
                for i in (range(len(known)) if position is None else position.tolist())
            ]
            if raw.values.ndim == 1
            else []
        )
        if first is None:
            first = raw, texts
            continue
        for a, b in zip(first[1], texts, strict=False):
            if a is not None and b is not None and a != b:
                raise LabelError(
                    f"{raw.where} and {first[0].where} bring different labels for the same row "
                    f"({b!r} and {a!r}); give the labels apart"
                )
    return None if first is None else first[0]


def _model_log_p(
    table: Table, kind: str, order: list[int] | None, reading: Reading
) -> tuple[NDArray[np.float64], str | None]:
    present = presence(table)
    found = kind if present.any() else None
    if found == "auto":
        found = detect_kind(table, present, renormalise=reading.renormalise)
    if found is None:
        k = max(2, table.values.shape[1])
        return np.full((len(table.values), k), np.nan), None
    log_p = log_probabilities(table, present, found, renormalise=reading.renormalise)
    return (log_p if order is None else log_p[:, order]), found


def _kinds_asked(
    tables: Mapping[str, Table], kind: Kinds, checked: Callable[[object], str]
) -> dict[str, str]:
    if not isinstance(kind, Mapping):
        return dict.fromkeys(tables, checked(kind))
    return {name: checked(kind.get(name) or "auto") for name in tables}


def _warn_if_one_class(found: Targets) -> None:
    numbers = found.outcomes.classes
    if numbers is not None and len(numbers) > 1 and (numbers == numbers[0]).all():
        warn(
            f"all {len(numbers)} labels are of one class: nothing tells good weights from bad",
        )
