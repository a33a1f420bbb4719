"""Rows: which row of one table is which row of another, by id or else by position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import AlignmentError, InputError, warn
from .classes import is_absent
from .lookup import all_distinct, is_all_text, places
from .table import Table

Ids = NDArray[Any]

_FEW = 0.5  # less in common than this is worth a warning (design.md)


@dataclass(frozen=True)
class Alignment:
    """N common rows, and where each table has them.

    ``positions`` are (N,) each, −1 where a table lacks the row; None where a table has these rows,
    in this order.
    """

    n_rows: int
    ids: Ids | None
    positions: list[NDArray[np.int64] | None]


def align(tables: Mapping[str, Table]) -> Alignment:
    """Align the rows of several models' tables: all ids, in order of first appearance."""
    with_ids = [name for name, table in tables.items() if table.ids is not None]
    if with_ids and len(with_ids) < len(tables):
        without = [name for name in tables if name not in with_ids]
        raise AlignmentError(
            f"{tables[with_ids[0]].where} has a column 'id', {tables[without[0]].where} has none: "
            "rows are matched by id or by position, not both; give every model an id column"
        )
    if with_ids:
        return _by_id(tables)
    counts = {name: len(table.values) for name, table in tables.items()}
    (first, n_rows), *others = counts.items()
    for name, n in others:
        if n != n_rows:
            raise AlignmentError(
                f"unequal row counts: {tables[first].where} has {n_rows} rows, "
                f"{tables[name].where} has {n}; give equal counts, or an id column in every table"
            )
        check_index(tables[first].index, tables[name].index, tables[name].where)
    return Alignment(n_rows, None, [None] * len(tables))


def _by_id(tables: Mapping[str, Table]) -> Alignment:
    first = next(iter(tables.values())).ids
    assert first is not None
    union: Ids = first
    # None: the rows of the first, in its order.
    found: list[NDArray[np.int64] | None] = []
    for table in tables.values():
        ids = table.ids
        assert ids is not None
        if found and (ids is first or np.array_equal(ids, first)):
            found.append(None)
            continue
        check_ids(ids, table.where)
        if not found:
            found.append(None)
            continue
        place = known_places(ids, union, table.where, "the models before it")
        new = place < 0
        common = len(ids) - int(new.sum())
        warn_if_few(common, min(len(ids), len(union)), table.where, "the models before it")
        place[new] = np.arange(len(union), len(union) + len(ids) - common)
        found.append(place)
        if new.any():
            union = np.concatenate([union, ids[new]])
    n = len(union)
    positions: list[NDArray[np.int64] | None] = [
        None if p is None else _inverse(p, n) for p in found
    ]
    if len(first) < n:
        same = _inverse(np.arange(len(first)), n)
        positions = [same if p is None else own for p, own in zip(found, positions, strict=True)]
    return Alignment(n, union, positions)


def _inverse(place: NDArray[np.int64], n: int) -> NDArray[np.int64] | None:
    """Return for each of n common rows the table's row, −1 for none; None for all in order."""
    if len(place) == n and np.array_equal(place, np.arange(n)):
        return None
    position = np.full(n, -1, np.int64)
    position[place] = np.arange(len(place))
    return position


def match(ids: Ids, known: Ids, where: str, what: str) -> tuple[int, NDArray[np.bool_]]:
    """Return how many ids are known, and which are new; none in common is an error."""
    new = known_places(ids, known, where, what) < 0
    return len(ids) - int(new.sum()), new


def known_places(ids: Ids, known: Ids, where: str, what: str) -> NDArray[np.int64]:
    """Return where each id is among those known, −1 for new; none in common is an error."""
    check_types(ids, known, where, what)
    found = positions_of(ids, known)
    if len(ids) and len(known) and not (found >= 0).any():
        raise AlignmentError(
            f"{where}: none of its {len(ids)} ids (such as {_example(ids)}) is among the "
            f"{len(known)} of {what} (such as {_example(known)})"
        )
    return found


def warn_if_few(common: int, of: int, where: str, what: str) -> None:
    """Warn when less than half of the ids are shared."""
    if common < _FEW * of:
        warn(
            f"{where}: only {common} of {of} ids are shared with {what}",
        )


def positions_of(ids: Ids, among: Ids) -> NDArray[np.int64]:
    """Return where each id stands in ``among`` (distinct ids), −1 if nowhere."""
    if len(ids) == len(among) and np.array_equal(ids, among):
        return np.arange(len(ids))
    return places(ids, among)


def check_ids(ids: Ids, where: str) -> None:
    """Refuse absent and repeated ids."""
    absent = _first_absent(ids)
    if absent is not None:
        raise AlignmentError(f"{where}: row {absent} has no id")
    if not all_distinct(ids):
        seen: set[Any] = set()
        for row, value in enumerate(ids.tolist()):
            if value in seen:
                raise AlignmentError(
                    f"{where}: id {value!r} stands twice (again in row {row}); ids must be distinct"
                )
            seen.add(value)


def _first_absent(ids: Ids) -> int | None:
    if ids.dtype.kind in "iubUT" or is_all_text(ids):
        return None
    if ids.dtype.kind in "fM":
        absent = np.isnat(ids) if ids.dtype.kind == "M" else np.isnan(ids)
        return int(absent.argmax()) if absent.any() else None
    return next((row for row, value in enumerate(ids.tolist()) if is_absent(value)), None)


def check_types(ids: Ids, known: Ids, where: str, what: str) -> None:
    """Ids are compared with their type: 1 is not "001"."""
    if _is_text(ids) != _is_text(known) and len(ids) and len(known):
        raise AlignmentError(
            f"{where}: its ids are {_type_name(ids)} (such as {_example(ids)}), those of {what} "
            f"{_type_name(known)} (such as {_example(known)}); write them as the same type in both"
        )


def check_index(first: Ids | None, other: Ids | None, where: str) -> None:
    """Refuse frames whose row labels are the same in another order: position would be wrong."""
    if first is None or other is None or len(first) != len(other):
        return
    if np.array_equal(first, other):
        return
    if (places(first, other) >= 0).all() and (places(other, first) >= 0).all():
        raise AlignmentError(
            f"{where}: its index holds the same row labels as the other inputs in another order; "
            "sort them alike, or give an 'id' column to match on"
        )


def distinct_names(names: Sequence[str]) -> None:
    """Refuse two models of one name."""
    for i, name in enumerate(names):
        if name in names[:i]:
            raise InputError(f"two models are called {name!r}: give each its own name")


def _is_text(ids: Ids) -> bool:
    return ids.dtype.kind in "UST" or (
        ids.dtype.kind == "O" and any(isinstance(value, str) for value in ids[:100].tolist())
    )


def _type_name(ids: Ids) -> str:
    return "text" if _is_text(ids) else "numbers" if ids.dtype.kind in "iuf" else ids.dtype.name


def _example(ids: Ids) -> str:
    return repr(ids[:1].tolist()[0]) if len(ids) else "none"
