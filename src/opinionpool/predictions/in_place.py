"""Predictions that are left in place: surveyed once, never copied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import warn
from ..families import CATEGORICAL
from ..families.lazy import as_array
from ..families.outcomes import Outcomes
from ..kernels import fused
from ..kernels.arrays import common_dtype
from ..kernels.threads import BLOCK_BYTES
from ..rules.fused import WORTHWHILE
from .cells import Cells, Source
from .classes import Label
from .columns import Reading
from .kinds import likely_probabilities, surely_logits
from .lazy import LazyValues
from .predictions import Predictions
from .rows import Alignment
from .side_by_side import Beside, side_by_side
from .spool import spooled
from .survey import Facts, survey
from .table import Table
from .targets import Targets

Array = NDArray[np.float64]

#: Cells from which predictions in memory are read where they are: what compiled kernels are worth.

LARGE = WORTHWHILE
#: Bytes for putting the rows of a file in order, unless a budget says fewer.
_BUFFERS = 1 << 28
#: Who answered, of a model whose answer is noted elsewhere.
_NOBODY = np.zeros(0, dtype=bool)


@dataclass(frozen=True)
class Layout:
    """The classes, every table's columns in their order, and the kinds that were asked for."""

    classes: tuple[Label, ...]
    columns: Mapping[str, list[int] | None]
    kinds: Mapping[str, str]


def stays_in_place(
    tables: Mapping[str, Table], reading: Reading, cells: int, large: int | None = None
) -> bool:
    """Whether predictions are to be read where they are, for being ``large`` or in files."""
    if reading.family is not CATEGORICAL or reading.confidence is not None:
        return False
    if any(isinstance(table.values, LazyValues) for table in tables.values()):
        return True
    return cells >= (LARGE if large is None else large) and fused.compiled()


def left_in_place(
    tables: Mapping[str, Table],
    alignment: Alignment,
    layout: Layout,
    reading: Reading,
    found: Targets | None,
    threads: int,
    budget: int | None = None,
) -> tuple[Predictions, Array | None]:
    """Survey every model; return the predictions, and each model's mean loss where labelled."""
    n, k = alignment.n_rows, len(layout.classes)
    outcomes = None if found is None else _on_all_rows(found, n, k)
    weight = None if found is None else _weights_on_all_rows(found, n)
    sources: list[Source] = []
    facts: list[Facts] = []
    absences: dict[int, NDArray[np.bool_]] = {}
    names, workers = tuple(tables), _workers(tables, threads)

    def look(i: int, beside: Beside) -> tuple[Source, Facts]:
        table, position = tables[names[i]], alignment.positions[i]
        share = None if budget is None else budget // beside.workers
        source = _source(table, position, layout.columns[names[i]], alignment, reading, share)
        height = len(source.table.values)
        own = None if outcomes is None else _in_table(outcomes, source, height)
        counts = None if weight is None else _weights_in_table(weight, source, height)
        asked, own_threads = layout.kinds[names[i]], threads // workers
        fact = survey(source, asked, own, counts, own_threads, budget, beside)
        if fact.copy is not None:
            source = replace(source, table=replace(source.table, values=fact.copy))
        return source, fact

    for i, (source, fact) in enumerate(side_by_side(look, len(names), workers)):
        position = alignment.positions[i]
        sources.append(replace(source, kind=fact.kind))
        facts.append(replace(fact, present=_NOBODY, copy=None))
        if fact.doubt is not None:
            warn(fact.doubt)
        here = fact.present
        if source.positions is not None and position is not None:
            here = here[position] & (position >= 0)
        if not here.all():
            absences[i] = here
        del fact, here  # what was noted of each row: of one model at a time
    of_cells = zip(sources, facts, strict=True)
    checksums = tuple(source.placed(fact.checksum) for source, fact in of_cells)
    cells = Cells(
        sources,
        (len(tables), n, k),
        budget,
        sum(fact.zeros for fact in facts),
        None if outcomes is None else checksums,
        np.array([fact.spread for fact in facts]),
        [1],
    )
    predictions = Predictions(
        names,
        layout.classes,
        as_array(cells),
        _presence(absences, len(tables), n),
        tuple(source.kind for source in sources),
        alignment.ids,
        common_dtype([table.values for table in tables.values()]),
    )
    return predictions, None if found is None else np.array([fact.loss for fact in facts])


@dataclass(frozen=True)
class AsTheyAre:
    """Arrays in memory, rows and classes in their places, all of one kind."""

    arrays: list[NDArray[Any]]
    #: ``"logits"`` or ``"probabilities"``; those only if all of them are found to be some.
    kind: str


def as_they_are(
    tables: Mapping[str, Table], alignment: Alignment, layout: Layout | None, *, renormalise: bool
) -> AsTheyAre | None:
    """Return every model's cells if nothing need be done to them but to look at them meanwhile.

    Where nobody says that they are logits, a few of the cells have to prove it.
    """
    if layout is None or any(place is not None for place in alignment.positions):
        return None
    arrays, kinds = [], set()
    for name, table in tables.items():
        values, order, kind = table.values, layout.columns[name], layout.kinds[name]
        if isinstance(values, LazyValues) or values.shape[1] != len(layout.classes):
            return None
        if not _in_order(order, values.shape[1]):
            return None
        if kind == "auto" and surely_logits(values, renormalise=renormalise):
            kind = "logits"
        elif kind == "auto" and likely_probabilities(values, renormalise=renormalise):
            kind = "probabilities"
        arrays.append(values)
        kinds.add(kind)
    if kinds not in ({"logits"}, {"probabilities"}):
        return None
    return AsTheyAre(arrays, kinds.pop())


def _workers(tables: Mapping[str, Table], threads: int) -> int:
    """Return how many models to survey at a time.

    One where all are surveyed in less time than it takes to start threads, as blocks of files that
    are read meanwhile are, or where a single one keeps all threads busy. Of files one block after
    another is in memory.
    """
    arrays = [t.values.nbytes for t in tables.values() if not isinstance(t.values, LazyValues)]
    small = len(arrays) == len(tables) and sum(arrays) <= 2 * BLOCK_BYTES
    if small or max(arrays, default=0) > threads * BLOCK_BYTES:
        return 1
    return min(threads, len(tables))


def _source(
    table: Table,
    positions: NDArray[np.int64] | None,
    order: list[int] | None,
    alignment: Alignment,
    reading: Reading,
    budget: int | None,
) -> Source:
    """Return how a model's cells are read; a file in another order of rows is put in this one."""
    if positions is not None and isinstance(table.values, LazyValues):
        room = _BUFFERS if budget is None else min(_BUFFERS, max(1 << 20, budget // 4))
        ordered = spooled(table.values, positions, room)
        table, positions = Table(ordered, table.where, table.columns, alignment.ids), None
    in_order = _in_order(order, table.values.shape[1])
    columns = None if in_order or order is None else tuple(order)
    return Source(table, None, columns, positions, reading.renormalise)


def _in_order(order: list[int] | None, k: int) -> bool:
    """Whether k columns are in the order of the classes."""
    return order is None or order == list(range(k))


def _presence(
    absences: Mapping[int, NDArray[np.bool_]], m: int, n: int
) -> NDArray[np.bool_] | None:
    """Return who answered what, (M, N), from the models that did not answer everything."""
    if not absences:
        return None
    present = np.ones((m, n), dtype=bool)
    for i, here in absences.items():
        present[i] = here
    return present


def _weights_on_all_rows(found: Targets, n: int) -> Array:
    """Return what every row counts: 0 where it is not known what happened."""
    if len(found.rows) == n:
        return found.weight
    weight = np.zeros(n)
    weight[found.rows] = found.weight
    return weight


def _weights_in_table(weight: Array, source: Source, n: int) -> Array:
    """Return what the rows of a table count: 0 for those that are not among the common ones."""
    there = source.positions
    if there is None:
        return weight
    own = np.zeros(n)
    own[there[there >= 0]] = weight[there >= 0]
    return own


def _on_all_rows(found: Targets, n: int, k: int) -> Outcomes:
    """Return what happened in every row: −1, or a row of zeros, where that is not known."""
    if len(found.rows) == n:
        return found.outcomes
    if found.outcomes.soft is not None:
        soft = np.zeros((n, k))
        soft[found.rows] = found.outcomes.soft
        return Outcomes(soft=soft)
    classes = np.full(n, -1)
    classes[found.rows] = found.outcomes.classes
    return Outcomes(classes=classes)


def _in_table(outcomes: Outcomes, source: Source, n: int) -> Outcomes:
    """Return what happened in the rows of a table, by its own columns."""
    order = None if source.order is None else np.array(source.order)
    there = source.positions
    if outcomes.soft is not None:
        soft = outcomes.soft
        if order is not None:
            soft = np.empty_like(soft)
            soft[:, order] = outcomes.soft
        if there is not None:
            own = np.zeros((n, soft.shape[1]))
            own[there[there >= 0]] = soft[there >= 0]
            soft = own
        return Outcomes(soft=soft)
    classes = outcomes.classes
    assert classes is not None
    if order is not None:
        classes = np.where(classes >= 0, order[classes], -1)
    if there is not None:
        placed = np.full(n, -1)
        placed[there[there >= 0]] = classes[there >= 0]
        classes = placed
    return Outcomes(classes=classes)
