"""Kinds of numbers: what a model's cells mean, detected once and then remembered.

Whatever the kind, the result is normalised log-probabilities in float64: from here on nothing
is exponentiated before it is needed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, ProbabilityError, warn
from ..kernels.fused import logarithms
from ..maths.plain_numpy import xp
from ..maths.softmax import log_sigmoid, log_softmax
from .table import Table

Array = NDArray[np.float64]

KINDS = ("probabilities", "log-probabilities", "logits")
_ALIASES = {
    "probs": "probabilities",
    "proba": "probabilities",
    "probability": "probabilities",
    "log_probabilities": "log-probabilities",
    "log-probs": "log-probabilities",
    "log_probs": "log-probabilities",
    "logit": "logits",
}
#: design.md, "Shapes and labels": how far rounding may carry a probability, and a row's sum.
CELL_SLACK = 1e-6
SUM_SLACK = 1e-3
#: Rows, and columns, of a first look at what cells may be.
_SAMPLE = 64
#: Share of some cells in [0, 1] from which they look like probabilities, of which some are wrong.
_MOST = 0.875
#: Logarithms of sums that are as good as one.
NEAR_ONE = (math.log1p(-SUM_SLACK), math.log1p(SUM_SLACK))


def checked_kind(kind: object) -> str:
    """Return a kind's canonical name, or say which there are."""
    name = _ALIASES.get(kind, kind) if isinstance(kind, str) else None
    if name is None or name not in (*KINDS, "auto"):
        raise InputError(f"kind: found {kind!r}, expected 'auto', {', '.join(map(repr, KINDS))}")
    return name


def presence(table: Table) -> NDArray[np.bool_]:
    """Return which rows are answered; a row that is partly NaN, or has +inf, is an error."""
    absent = np.isnan(table.array)
    every: NDArray[np.bool_] = np.asarray(absent.all(axis=1))
    partly = absent.any(axis=1) & ~every
    if partly.any():
        row = int(partly.argmax())
        raise ProbabilityError(
            f"{table.where}, {table.row_name(row)}: {int(absent[row].sum())} of "
            f"{absent.shape[1]} cells are NaN ({int(partly.sum())} such row(s)); a missing output "
            "is a row of NaN only"
        )
    high = np.isposinf(table.array)
    if high.any():
        row, column = (int(i) for i in np.argwhere(high)[0])
        raise ProbabilityError(
            f"{table.where}, {table.row_name(row)}, column {_column(table, column)}: found +inf "
            f"({int(high.any(axis=1).sum())} such row(s)); expected a finite number"
        )
    return ~every


@dataclass(frozen=True)
class Extent:
    """What a model's cells say about their kind.

    Attributes
    ----------
    low, high
        Smallest and largest cell that is not −inf; of answered rows.
    zeros
        How many cells are −inf.
    n_like, n_rows
        Rows whose exponentials sum to one; answered rows.
    single
        Whether there is one column only.
    n_whole
        Rows whose positive cells sum to one; 0 where most cells are outside [0, 1].
    """

    low: float
    high: float
    zeros: int
    n_like: int
    n_rows: int
    single: bool
    n_whole: int = 0


def detect_kind(
    table: Table, present: NDArray[np.bool_], *, renormalise: bool = False
) -> str | None:
    """Decide what a model's cells are; None when it answered no row. See :func:`kind_of`."""
    if not present.any():
        return None
    cells = table.array if present.all() else table.array[present]
    single = cells.shape[1] == 1
    vetoed = np.isneginf(cells)
    low = cells.min(where=~vetoed, initial=np.inf)
    high = cells.max()
    n_like = 0
    if high <= CELL_SLACK and not single and (low < -CELL_SLACK or vetoed.any()):
        n_like = int((np.abs(np.exp(cells.astype(np.float64)).sum(axis=1) - 1) <= SUM_SLACK).sum())
    n_whole = 0
    if high > CELL_SLACK and not single and _share_inside(cells, renormalise) >= _MOST:
        totals = cells.sum(axis=1, where=cells > 0, dtype=np.float64)
        n_whole = int((np.abs(totals - 1) <= SUM_SLACK).sum())
    extent = Extent(float(low), float(high), int(vetoed.sum()), n_like, len(cells), single, n_whole)
    kind = kind_of(extent, table.where, renormalise=renormalise)
    doubt = doubt_about(kind, extent, table.where)
    if doubt is not None:
        warn(doubt)
    return kind


def kind_of(extent: Extent, where: str, *, renormalise: bool = False) -> str:
    """Decide what cells are.

    Cells in [0, 1] are probabilities, never logits. Cells ≤ 0 whose rows' exponentials sum to
    one are log-probabilities. Everything else is logits, but where only some rows look like
    log-probabilities nobody should guess. Who asks for rows to be renormalised has
    probabilities, or counts, wherever no cell is negative.
    """
    e = extent
    # A −inf among cells that are probabilities otherwise is a mistake, not a logit.
    natural = not e.zeros or e.high > CELL_SLACK
    if natural and e.low >= -CELL_SLACK and (e.high <= 1 + CELL_SLACK or renormalise):
        return "probabilities"
    if e.high > CELL_SLACK:
        return "logits"
    if not e.single and e.n_like == e.n_rows:
        return "log-probabilities"
    if e.single or e.n_like:
        looks = (
            "its one column is negative throughout"
            if e.single
            else f"{e.n_like} of {e.n_rows} rows look like log-probabilities"
        )
        raise ProbabilityError(
            f"{where}: {looks}; that may be log-probabilities or logits: say which with "
            "kind='log-probabilities' or kind='logits'"
        )
    return "logits"


def doubt_about(kind: str, extent: Extent, where: str) -> str | None:
    """Return what to say of a kind that :func:`kind_of` decided on, if there is any doubt."""
    e = extent
    if kind != "logits" or 2 * e.n_whole <= e.n_rows:
        return None
    return (
        f"{where}: {e.n_whole} of {e.n_rows} rows look like probabilities, but cells are from "
        f"{-np.inf if e.zeros else e.low:.7g} to {e.high:.7g}: taken as logits; say which with "
        "kind='probabilities' or kind='logits'"
    )


def first_look(cells: NDArray[Any]) -> NDArray[Any]:
    """Return a few cells, of rows and columns all over the place."""
    n, k = cells.shape
    return cells[:: max(1, n // _SAMPLE), :: max(1, k // _SAMPLE)]


def surely_logits(cells: NDArray[Any], *, renormalise: bool = False) -> bool:
    """Whether some of the cells prove what :func:`kind_of` would say of all: that they are logits.

    One above 0 is no logarithm of a probability, and negative ones, or ones above 1, are no
    probabilities: a few of them may be mistakes.
    """
    some = first_look(cells)
    return bool((some > CELL_SLACK).any() and _share_inside(some, renormalise) < _MOST)


def likely_probabilities(cells: NDArray[Any], *, renormalise: bool = False) -> bool:
    """Whether some of the cells look like probabilities: those of another kind rarely do."""
    return _share_inside(first_look(cells), renormalise) >= _MOST


def _share_inside(cells: NDArray[Any], renormalise: bool) -> float:
    """Return which share of cells that are not NaN may be a probability; 0 if there are none."""
    highest = np.inf if renormalise else 1 + CELL_SLACK
    inside = int(((cells >= -CELL_SLACK) & (cells <= highest)).sum())
    return inside / max(1, int((~np.isnan(cells)).sum()))


def log_probabilities(
    table: Table, present: NDArray[np.bool_], kind: str, *, renormalise: bool = False
) -> Array:
    """Return (N, K) normalised float64 log-probabilities, K ≥ 2; NaN in absent rows.

    A single column is the second of two classes. Raises ProbabilityError for what cannot be.
    """
    n, k = table.array.shape
    cells = table.array if present.all() else table.array[present]
    rows = np.flatnonzero(present)
    result = _CONVERTERS[kind](cells, table, rows, renormalise)
    if present.all():
        return result
    full = np.full((n, max(k, 2)), np.nan)
    full[present] = result
    return full


def _from_probabilities(
    cells: NDArray[Any], table: Table, rows: NDArray[np.int64], renormalise: bool
) -> Array:
    # Written as a negation so that −inf, and anything else that is no probability, is caught.
    wrong = ~((cells >= -CELL_SLACK) & (cells <= 1 + CELL_SLACK))
    if renormalise and cells.shape[1] > 1:
        wrong = ~((cells >= -CELL_SLACK) & (cells < np.inf))
    if wrong.any():
        row, column = (int(i) for i in np.argwhere(wrong)[0])
        raise ProbabilityError(
            f"{table.where}, {table.row_name(rows[row])}, column {_column(table, column)}: found "
            f"{cells[row, column]}, expected a probability in [0, 1]"
        )
    p = np.clip(cells.astype(np.float64), 0.0, None)
    with np.errstate(divide="ignore"):
        if p.shape[1] == 1:
            p = np.minimum(p, 1.0)
            return np.concatenate([np.log1p(-p), np.log(p)], axis=1)
    total = p.sum(axis=1)
    _check_sums(total, table, rows, renormalise, "sum to")
    return _normalised_logarithms(p, total)


def _normalised_logarithms(p: Array, total: Array) -> Array:
    """Write ``ln p − ln Σ p`` over p."""
    with np.errstate(divide="ignore"):
        np.log(p, out=p)
    p -= np.log(total)[:, None]
    return p


def log_shares(cells: NDArray[Any], out: Array) -> None:
    """Write normalised log-probabilities of cells that were found to be probabilities.

    The same numbers as :func:`log_probabilities`, to the bit: which are equal decides bins.
    """
    p = np.maximum(cells, 0, out=out)
    _normalised_logarithms(p, p.sum(axis=1))


def _from_log_probabilities(
    cells: NDArray[Any], table: Table, rows: NDArray[np.int64], renormalise: bool
) -> Array:
    log_p = cells.astype(np.float64)
    if not renormalise and (log_p > CELL_SLACK).any():
        row, column = (int(i) for i in np.argwhere(log_p > CELL_SLACK)[0])
        raise ProbabilityError(
            f"{table.where}, {table.row_name(rows[row])}, column {_column(table, column)}: found "
            f"{log_p[row, column]}, expected a log-probability ≤ 0"
        )
    if log_p.shape[1] == 1:
        log_p = np.minimum(log_p, 0.0)
        with np.errstate(divide="ignore"):
            return np.concatenate([np.log(-np.expm1(log_p)), log_p], axis=1)
    _check_possible(log_p, table, rows)
    _check_sums(np.exp(log_p).sum(axis=1), table, rows, renormalise, "have exponentials summing to")
    return np.asarray(log_softmax(log_p, xp=xp))


def _from_logits(
    cells: NDArray[Any], table: Table, rows: NDArray[np.int64], renormalise: bool
) -> Array:
    z = cells.astype(np.float64)
    if z.shape[1] == 1:
        return np.asarray(log_sigmoid(np.concatenate([-z, z], axis=1), xp=xp))
    _check_possible(z, table, rows)
    return np.asarray(log_softmax(z, xp=xp))


_CONVERTERS = {
    "probabilities": _from_probabilities,
    "log-probabilities": _from_log_probabilities,
    "logits": _from_logits,
}


def as_logits(cells: NDArray[Any], kind: str, into: NDArray[Any] | None = None) -> NDArray[Any]:
    """Return (n, K) logits in the dtype of cells that were found to be good, NaN in absent rows.

    They differ from log-probabilities by a number per row, which changes no logarithmic pool
    (maths.md §2). A single column is the second of two classes. What many are made of may be
    written ``into`` an array.
    """
    single = cells.shape[1] == 1
    if kind == "probabilities" and not single:
        return logarithms(cells, into)
    with np.errstate(divide="ignore"):
        if kind == "probabilities":
            p = np.clip(cells, 0, 1)  # rounding's are beyond
            return np.concatenate([np.log1p(-p), np.log(p)], axis=1)
        if not single:
            return cells
        if kind == "log-probabilities":
            log_p = np.minimum(cells, 0)
            return np.concatenate([np.log(-np.expm1(log_p)), log_p], axis=1)
    # Not 0·z: that is NaN for −inf too.
    return np.concatenate([np.where(np.isnan(cells), cells, 0), cells], axis=1)


def _check_sums(
    total: Array, table: Table, rows: NDArray[np.int64], renormalise: bool, what: str
) -> None:
    off = ~(total > 0) if renormalise else ~(np.abs(total - 1) <= SUM_SLACK)
    if not off.any():
        return
    row = int(off.argmax())
    hint = (
        "a row without any probability cannot be renormalised"
        if renormalise
        else "expected 1; pass renormalise=True to rescale such rows, or kind='logits' if these "
        "are no probabilities"
    )
    if table.array.shape[0] == 1 and not renormalise and table.columns is None:
        hint += "; binary probabilities of many rows belong in an array of shape (rows, 1)"
    raise ProbabilityError(
        f"{table.where}: {int(off.sum())} row(s) do not sum to one: the probabilities of "
        f"{table.row_name(rows[row])} {what} {total[row]:.6g}; {hint}"
    )


def _check_possible(z: Array, table: Table, rows: NDArray[np.int64]) -> None:
    nothing = np.isneginf(z).all(axis=1)
    if nothing.any():
        row = int(nothing.argmax())
        raise ProbabilityError(
            f"{table.where}, {table.row_name(rows[row])}: every class is −inf "
            f"({int(nothing.sum())} such row(s)); a missing output is a row of NaN"
        )


def _column(table: Table, column: int) -> str:
    return repr(table.columns[column]) if table.columns else str(column)
