"""Predictions: aligned, normalised log-probabilities of several models, frozen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..families.categorical import floored
from .classes import Label

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Predictions:
    """What M models said of N rows and K classes.

    Attributes
    ----------
    names, classes
        Of the models and of the columns.
    log_p
        (M, N, K) normalised log-probabilities, −inf for exact zeros, NaN where absent.
    present
        (M, N) who answered what; None when everybody answered everything.
    kinds
        What each model's cells were; None where a model answered nothing.
    ids
        (N,) row ids, or None where rows have none.
    dtype
        Of results: float32 when all inputs are, else float64.
    """

    names: tuple[str, ...]
    classes: tuple[Label, ...]
    log_p: Array
    present: NDArray[np.bool_] | None
    kinds: tuple[str | None, ...]
    ids: NDArray[Any] | None = None
    dtype: np.dtype[Any] = np.dtype(np.float64)  # noqa: RUF009 - a dtype is immutable

    @property
    def n_models(self) -> int:
        """Number of models."""
        return int(self.log_p.shape[0])

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return int(self.log_p.shape[1])

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return int(self.log_p.shape[2])

    def n_zeros(self) -> int:
        """Count exact zeros, the cells that a logarithmic pool cannot do without a floor for."""
        return int(np.isneginf(self.log_p).sum())

    def rows_with_missing(self) -> int:
        """Count rows in which some but not all models answered."""
        if self.present is None:
            return 0
        return int((~self.present.all(axis=0) & self.present.any(axis=0)).sum())

    def rows_unanswered(self) -> int:
        """Count rows in which no model answered."""
        return 0 if self.present is None else int((~self.present.any(axis=0)).sum())

    def with_zeros_raised(self, epsilon: float) -> Predictions:
        """Floor the rows that hold an exact zero of any model."""
        rows = np.isneginf(self.log_p).any(axis=(0, 2))
        log_p = self.log_p.copy()
        log_p[:, rows] = floored(log_p[:, rows], epsilon)
        return replace(self, log_p=log_p)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Predictions:
        """Return some rows."""
        present = None if self.present is None else self.present[:, rows]
        if present is not None and present.all():
            present = None
        ids = None if self.ids is None else self.ids[rows]
        return replace(self, log_p=self.log_p[:, rows], present=present, ids=ids)

    def models(self, order: list[int | None], names: tuple[str, ...]) -> Predictions:
        """Return models in another order; None stands for one that answered nothing."""
        if list(range(self.n_models)) == order:
            return self
        here = np.array([i is not None for i in order])
        chosen = [i if i is not None else 0 for i in order]
        log_p = self.log_p[chosen]
        log_p[~here] = np.nan
        given = np.ones(self.log_p.shape[:2], dtype=bool) if self.present is None else self.present
        present = given[chosen] & here[:, None]
        return replace(
            self,
            names=names,
            log_p=log_p,
            present=None if present.all() else present,
            kinds=tuple(None if i is None else self.kinds[i] for i in order),
        )
