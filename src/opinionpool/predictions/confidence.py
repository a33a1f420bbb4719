"""Scores that say how sure a model is of each row: a column of its table, or given apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .table import Table

Array = NDArray[np.float64]
#: What a pool remembers of scores that are no column; no column has this name.
GIVEN_SCORES = ""
#: The name of a column in every model's table, or (N,) scores by model, or (M, N) in order.
Scores = str | Mapping[str, Any] | Sequence[Any] | NDArray[Any]


def take_scores(
    tables: Mapping[str, Table], given: Scores
) -> tuple[dict[str, Table], dict[str, Array]]:
    """Return the tables without a column of scores, and (N,) scores in [0, 1] per model.

    NaN where a model answered nothing. Raises InputError.
    """
    if isinstance(given, str):
        found = {name: _column(table, given) for name, table in tables.items()}
        rest = {name: table for name, (table, _) in found.items()}
        scores = {name: column for name, (_, column) in found.items()}
    else:
        rest, scores = dict(tables), _named(tables, given)
    for name, table in rest.items():
        _check(scores[name], table)
    return rest, scores


def _column(table: Table, column: str) -> tuple[Table, Array]:
    if table.columns is None or column not in table.columns:
        has = "no named columns" if table.columns is None else f"{', '.join(table.columns)}"
        raise InputError(
            f"{table.where}: there is no column {column!r} of confidence; found: {has}"
        )
    at = table.columns.index(column)
    others = table.columns[:at] + table.columns[at + 1 :]
    values = np.delete(table.array, at, axis=1)
    scores = table.array[:, at].astype(np.float64)
    return replace(table, values=values, columns=others), scores


def _named(tables: Mapping[str, Table], given: Any) -> dict[str, Array]:
    if not isinstance(given, Mapping):
        if len(given) != len(tables):
            raise InputError(
                f"confidence: found scores of {len(given)} models, expected {len(tables)}"
            )
        given = dict(zip(tables, given, strict=True))
    unknown = [str(name) for name in given if name not in tables]
    absent = [name for name in tables if name not in given]
    if unknown or absent:
        raise InputError(
            f"confidence: models are {', '.join(tables)}; "
            + (f"unknown: {', '.join(unknown)}" if unknown else f"absent: {', '.join(absent)}")
        )
    scores = {}
    for name, table in tables.items():
        try:
            own = np.asarray(given[name], dtype=np.float64)
        except (TypeError, ValueError):
            raise InputError(f"confidence of model {name!r}: expected numbers") from None
        if own.shape != (len(table.array),):
            raise InputError(
                f"confidence of model {name!r}: found shape {own.shape}, expected "
                f"({len(table.array)},), one score per row"
            )
        scores[name] = own
    return scores


def _check(scores: Array, table: Table) -> None:
    answered = ~np.isnan(table.array).all(axis=1)
    wrong = answered & ~((scores >= 0) & (scores <= 1))
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(
            f"{table.where}, {table.row_name(row)}: found the confidence {scores[row]}, expected a "
            f"number in [0, 1] ({int(wrong.sum())} such row(s))"
        )
