"""Folds of a cross-validation: by row, by group, or forward in time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .errors import InputError, LabelError

Rows = NDArray[np.int64]
Split = tuple[Rows, Rows]


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


def _check(folds: int, available: int, what: str) -> None:
    if isinstance(folds, bool) or not isinstance(folds, int) or folds < 2:
        raise InputError(f"folds: found {folds!r}, expected a whole number of at least 2")
    if available < folds:
        raise LabelError(f"{folds} folds need at least as many {what}; there are {available}")
