"""Folds of a cross-validation: by row, by group, or forward in time."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import InputError, LabelError, warn
from .predictions import Gathered, Targets
from .predictions.classes import is_absent

Rows = NDArray[np.int64]
Split = tuple[Rows, Rows]


def splits_of(
    gathered: Gathered, targets: Targets, folds: int, groups: object, time: object, seed: int
) -> tuple[list[Split], NDArray[np.int64], str]:
    """Return the folds, which rows are one draw for standard errors, and how it was done."""
    n = len(targets.rows)
    folds = _whole(folds)
    if groups is not None and time is not None:
        raise InputError("groups and time: give one of them, not both")
    if groups is not None:
        codes = _codes(gathered, targets, groups, "groups")
        how = f"{folds} folds of whole groups ({codes.max() + 1} groups), errors by group"
        return by_group(codes, folds, seed), codes, how
    if time is not None:
        codes = _codes(gathered, targets, time, "time")
        _warn_if_clock_wraps(codes)
        how = f"{folds} folds forward in time ({codes.max() + 1} moments), errors by moment"
        return forward(codes, folds), codes, how
    return by_row(n, folds, seed), np.arange(n), f"{folds} folds by row"


def _warn_if_clock_wraps(codes: NDArray[np.int64]) -> None:
    """Warn when rows come moment by moment, but not in the order of the times."""
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    moments = codes[starts]
    if len(np.unique(moments)) == len(moments) and (np.diff(moments) < 0).any():
        warn(
            "time: the rows come moment by moment in another order than their times, which are "
            "sorted; where a clock wraps (weeks 52, 1) give times that increase throughout"
        )


def _codes(gathered: Gathered, targets: Targets, column: object, what: str) -> NDArray[np.int64]:
    """Return ranks 0, 1, … of a column given as an array beside the labels, or by name."""
    if isinstance(column, str):
        if column in targets.extras:
            values = np.asarray(targets.extras[column])
        else:
            values = _from_tables(gathered, column, what, targets)
    else:
        try:
            given = np.asarray(column)
        except ValueError:
            raise InputError(f"{what}: expected one value per label") from None
        if given.shape != (targets.n_given,):
            raise InputError(
                f"{what}: found shape {given.shape}, expected ({targets.n_given},), one value per "
                "label"
            )
        values = given[targets.source_rows]
    absent = [is_absent(v) for v in values.tolist()]
    if any(absent):
        row = int(targets.source_rows[absent.index(True)])
        raise LabelError(f"{what}: row {row} has no value")
    try:
        codes: NDArray[np.int64] = np.unique(values, return_inverse=True)[1].astype(np.int64)
    except TypeError:
        raise InputError(
            f"{what}: found values that cannot be sorted; give numbers or text"
        ) from None
    return codes


def _from_tables(gathered: Gathered, column: str, what: str, targets: Targets) -> NDArray[Any]:
    for table in gathered.tables.values():
        if column in table.extras and len(table.values) == gathered.predictions.n_rows:
            return np.asarray(table.extras[column])[targets.rows]
    have = sorted({*targets.extras, *(n for t in gathered.tables.values() for n in t.extras)})
    raise InputError(
        f"{what}: there is no column {column!r} beside the labels; found: "
        f"{', '.join(have) or 'none'}"
    )


def by_row(n_rows: int, folds: int, seed: int) -> list[Split]:
    """Shuffle the rows and deal them out; every row is tested once."""
    return by_group(np.arange(n_rows), folds, seed, what="rows")


def by_group(groups: NDArray[np.int64], folds: int, seed: int, what: str = "groups") -> list[Split]:
    """Deal out whole groups, the largest first to the emptiest fold; ties in random order."""
    sizes = np.bincount(groups)
    n_groups = len(sizes)
    _check(folds, n_groups, what)
    shuffled = np.random.default_rng(seed).permutation(n_groups)
    fold_of = np.empty(n_groups, dtype=np.int64)
    filled = np.zeros(folds)
    for group in shuffled[np.argsort(-sizes[shuffled], kind="stable")]:
        fold_of[group] = filled.argmin()
        filled[fold_of[group]] += sizes[group]
    test_fold = fold_of[groups]
    return [(np.flatnonzero(test_fold != f), np.flatnonzero(test_fold == f)) for f in range(folds)]


def forward(times: NDArray[np.int64], folds: int) -> list[Split]:
    """Train on the past, test on what comes next: ``folds`` tests, the first stretch untested.

    ``times`` are ranks 0, 1, …; a moment is never split between training and testing.
    """
    sizes = np.bincount(times)
    _check(folds, len(sizes) - 1, "moments after the first")
    # Stretches of about equal numbers of rows, each with at least one moment.
    middle = (np.cumsum(sizes) - sizes / 2) / sizes.sum()
    stretch = np.minimum((middle * (folds + 1)).astype(np.int64), folds)
    stretch = np.maximum.accumulate(stretch)
    if len(np.unique(stretch)) < folds + 1:
        stretch = np.arange(len(sizes)) * (folds + 1) // len(sizes)
    fold_of = stretch[times]
    return [
        (np.flatnonzero(fold_of < f), np.flatnonzero(fold_of == f)) for f in range(1, folds + 1)
    ]


def _whole(folds: object) -> int:
    try:
        if isinstance(folds, bool):
            raise TypeError
        return operator.index(folds)  # type: ignore[arg-type]
    except TypeError:
        raise InputError(f"folds: found {folds!r}, expected a whole number of at least 2") from None


def _check(folds: int, available: int, what: str) -> None:
    if folds < 2:
        raise InputError(f"folds: found {folds!r}, expected a whole number of at least 2")
    if available < folds:
        raise LabelError(f"{folds} folds need at least as many {what}; there are {available}")
