"""Predictions that are left in place: surveyed once, never copied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..families import CATEGORICAL
from ..families.lazy import as_array
from ..families.outcomes import Outcomes
from ..kernels import fused
from ..rules.fused import WORTHWHILE
from .cells import Cells, Source
from .classes import Label
from .columns import Reading
from .lazy import LazyValues
from .predictions import Predictions
from .rows import Alignment
from .spool import spooled
from .survey import survey
from .table import Table
from .targets import Targets

Array = NDArray[np.float64]

#: Cells from which predictions in memory are read where they are: what compiled kernels are worth.

LARGE = WORTHWHILE


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
    sources, losses = [], []
    first, in_order = None, False  # of positions, which models share where they are the same
    absences: dict[int, NDArray[np.bool_]] = {}
    zeros, checksums, spread = 0, [], []
    for i, (name, table) in enumerate(tables.items()):
        order, position = layout.columns[name], alignment.positions[i]
        if position is not first:
            first, in_order = position, alignment.ids is None or _is_all(position, n)
        same = in_order and len(table.values) == n
        if not same and isinstance(table.values, LazyValues):
            table = Table(
                spooled(table.values, position), table.where, table.columns, alignment.ids
            )
            same = True
        source = Source(
            table,
            None,
            None if order is None or order == list(range(table.values.shape[1])) else tuple(order),
            None if same else position,
            reading.renormalise,
        )
        own = None if outcomes is None else _in_table(outcomes, source, len(table.values))
        facts = survey(source, layout.kinds[name], own, threads, budget)
        if facts.copy is not None:
            table = replace(table, values=facts.copy)
        sources.append(replace(source, table=table, kind=facts.kind))
        here = facts.present if same else facts.present[position] & (position >= 0)
        if not here.all():
            absences[i] = here
        zeros += facts.zeros
        checksums.append(facts.checksum)
        spread.append(facts.spread)
        if found is not None:
            assert facts.at_outcome is not None
            at = facts.at_outcome if same else facts.at_outcome[position]
            losses.append(_mean_loss(at, here, found))
    present = None
    if absences:
        present = np.ones((len(tables), n), dtype=bool)
        for i, here in absences.items():
            present[i] = here
    narrow = all(table.values.dtype == np.float32 for table in tables.values())
    cells = Cells(
        sources, (len(tables), n, k), budget, zeros, tuple(checksums), np.array(spread), [1]
    )
    predictions = Predictions(
        tuple(tables),
        layout.classes,
        as_array(cells),
        present,
        tuple(source.kind for source in sources),
        alignment.ids,
        np.dtype(np.float32 if narrow else np.float64),
    )
    return predictions, None if found is None else np.array(losses)


def _is_all(positions: NDArray[np.int64], n: int) -> bool:
    return len(positions) == n and np.array_equal(positions, np.arange(n))


def _mean_loss(at_outcome: Array, here: NDArray[np.bool_], found: Targets) -> float:
    """Return a model's mean loss on the labelled rows that it answered, NaN without any."""
    u, at = found.weight, at_outcome
    if len(found.rows) < len(here):
        at, here = at[found.rows], here[found.rows]
    if not here.all():
        at, u = at[here], u[here]
    total = float(u.sum())
    # A sum of products: a BLAS of several threads would wait for its own on a busy machine.
    return -float((u * at).sum()) / total if total else float(np.nan)


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
