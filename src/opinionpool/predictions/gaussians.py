"""Means and variances: reading tables for the families of Gaussians.

A table has the columns ``mean`` and ``variance`` or ``std``; an array has the mean first, and
second what ``kind`` says: the variance unless told otherwise. Residual models have no mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DistributionError, InputError
from ..families import Family
from .table import Table

Array = NDArray[np.float64]

KINDS = ("variance", "std")
_ALIASES = {
    "variance": "variance",
    "var": "variance",
    "std": "std",
    "sd": "std",
    "standard-deviation": "std",
    "auto": "auto",
}
#: Variances whose inverse is a number (densities are computed with precisions), and 2π times
#: which is one.
_SMALLEST = np.finfo(np.float64).tiny
_LARGEST = np.finfo(np.float64).max / 8


def checked_kind(kind: object) -> str:
    """Return what the last column is, ``"variance"``, ``"std"`` or ``"auto"``."""
    name = _ALIASES.get(kind) if isinstance(kind, str) else None
    if name is None:
        raise InputError(f"kind: found {kind!r}, expected 'auto', 'variance' or 'std'")
    return name


def read_moments(table: Table, family: Family, kind: str) -> tuple[Array, str | None]:
    """Return (N, 2) means and variances, NaN where absent, and what the spread was given as.

    Named columns say themselves what they are, whatever ``kind``. The kind is None where no row
    was answered.
    """
    has_mean = "mean" in family.columns
    mean, spread, kind = _columns(table, has_mean, kind)
    absent = np.isnan(spread)
    lacking = np.isnan(mean) ^ absent if has_mean else np.zeros_like(absent)
    if lacking.any():
        row = int(lacking.argmax())
        only = "mean" if absent[row] else kind
        raise DistributionError(
            f"{table.where}, {table.row_name(row)}: found only a {only} ({int(lacking.sum())} such "
            "row(s)); a missing output is a row of NaN only"
        )
    if absent.all():
        return np.full((len(spread), 2), np.nan), None
    _check(mean, ~(np.isfinite(mean) | absent), table, "mean", "a finite number")
    with np.errstate(over="ignore", under="ignore"):
        variance = spread if kind == "variance" else spread * spread
    right = (spread > 0) & (variance >= _SMALLEST) & (variance <= _LARGEST)
    wrong = ~(right | absent)
    expected = f"a finite {kind} above 0"
    if wrong.any() and 0 < spread[wrong][0] < np.inf:
        least, most = (np.sqrt(x) if kind == "std" else x for x in (_SMALLEST, _LARGEST))
        expected = f"a {kind} from {least:.2g} to {most:.2g}"
    _check(spread, wrong, table, kind, expected)
    return np.stack([np.where(absent, np.nan, mean), variance], axis=-1), kind


def refuse_moments(tables: Mapping[str, Table]) -> None:
    """Refuse tables of means and variances where classes are expected."""
    for table in tables.values():
        names = {name.strip().lower() for name in table.columns or ()}
        if "mean" in names and names & set(KINDS) and len(names) == 2:
            raise InputError(
                f"{table.where}: found the columns {', '.join(table.columns or ())}, which are no "
                "classes; for means and variances pass family='gaussian'"
            )


def _columns(table: Table, has_mean: bool, kind: str) -> tuple[Array, Array, str]:
    """Return means (0 where the family has none), spreads, and what the spreads are."""
    expected = "'mean' and 'variance' or 'std'" if has_mean else "'variance' or 'std'"
    values = table.array.astype(np.float64)
    n, width = values.shape
    if table.columns is not None:
        place = {name.strip().lower(): i for i, name in enumerate(table.columns)}
        if len(place) < width:
            raise DistributionError(
                f"{table.where}: found the columns {', '.join(map(repr, table.columns))}, one of "
                "them twice"
            )
        spreads = [k for k in KINDS if k in place]
        surplus = [c for c in place if c not in KINDS and not (has_mean and c == "mean")]
        if len(spreads) != 1 or surplus or (has_mean and "mean" not in place):
            if has_mean and "mean" in place and not spreads and not surplus:
                raise DistributionError(
                    f"{table.where}: found a mean without a variance; expected the columns "
                    f"{expected}"
                )
            raise DistributionError(
                f"{table.where}: found the columns {', '.join(map(repr, table.columns))}; expected "
                f"{expected}, and maybe 'id' and 'label'"
            )
        kind = spreads[0]
        mean = values[:, place["mean"]] if has_mean else np.zeros(n)
        return mean, values[:, place[kind]], kind
    kind = "variance" if kind == "auto" else kind
    if has_mean and width == 1:
        raise DistributionError(
            f"{table.where}: found a mean without a variance (one column); expected two columns, "
            f"mean and {kind}"
        )
    if width != 1 + has_mean:
        raise DistributionError(
            f"{table.where}: found {width} columns, expected {1 + has_mean}: "
            + ("mean and " if has_mean else "")
            + kind
        )
    return values[:, 0] if has_mean else np.zeros(n), values[:, -1], kind


def _check(
    cells: NDArray[Any], wrong: NDArray[np.bool_], table: Table, column: str, expected: str
) -> None:
    if wrong.any():
        row = int(wrong.argmax())
        raise DistributionError(
            f"{table.where}, {table.row_name(row)}, column {column!r}: found {cells[row]}, "
            f"expected {expected} ({int(wrong.sum())} such row(s))"
        )
