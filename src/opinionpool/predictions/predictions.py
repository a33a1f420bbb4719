"""Predictions: aligned distributions of several models, frozen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..families import CATEGORICAL, Family
from ..families.floors import floored, floored_logits
from ..families.lazy import Lazy, as_array
from ..families.logits import Logits
from ..kernels import fused
from .cells import Cells
from .classes import Label

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Predictions:
    """What M models said of N rows.

    Attributes
    ----------
    names, classes
        Of the models; of the classes, none where the family has no classes.
    parameters
        (M, N, P) of the distributions, NaN where absent: normalised log-probabilities of K
        classes, −inf for exact zeros, or mean and variance. Large ones may be :class:`Cells`,
        which are read block by block.
    present
        (M, N) who answered what; None when everybody answered everything.
    kinds
        What each model's cells were; None where a model answered nothing.
    ids
        (N,) row ids, or None where rows have none.
    dtype
        Of results: float32 when all inputs are, else float64.
    family
        What is predicted.
    confidence
        (M, N) scores in [0, 1] that came with the predictions, NaN where absent; or None.
    large
        Whether these are some of so many rows that compiled kernels are worth their loading,
        however few they are themselves.
    """

    names: tuple[str, ...]
    classes: tuple[Label, ...]
    parameters: Array
    present: NDArray[np.bool_] | None
    kinds: tuple[str | None, ...]
    ids: NDArray[Any] | None = None
    dtype: np.dtype[Any] = np.dtype(np.float64)  # noqa: RUF009 - a dtype is immutable
    family: Family = CATEGORICAL
    confidence: Array | None = None
    large: bool = False

    @property
    def n_models(self) -> int:
        """Number of models."""
        return int(self.parameters.shape[0])

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return int(self.parameters.shape[1])

    @property
    def n_parameters(self) -> int:
        """Number of parameters of a distribution: of classes, for categorical ones."""
        return int(self.parameters.shape[2])

    @property
    def columns(self) -> tuple[Label, ...]:
        """Names of what a result has per row."""
        return self.classes or self.family.columns

    def whole(self) -> Predictions:
        """Return the same with all parameters in memory, for who cannot work by blocks."""
        if not isinstance(self.parameters, Lazy):
            return self
        return replace(self, parameters=np.asarray(self.parameters))

    def n_zeros(self) -> int:
        """Count exact zeros, the cells that a logarithmic pool cannot do without a floor for."""
        if not isinstance(self.parameters, Lazy):
            return int(np.isneginf(self.parameters).sum())
        known = self.parameters.zeros
        if known is not None:
            return known
        return sum(int(np.isneginf(block).sum()) for _, block in self.parameters.parts())

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

        def raised(parameters: Array) -> Array:
            rows = np.isneginf(parameters).any(axis=(0, 2))
            parameters = parameters.copy()
            parameters[:, rows] = floored(parameters[:, rows], epsilon)
            return parameters

        def raised_logits(arrays: Logits, _: Any, into: Logits | None) -> Logits:
            rows = np.zeros(len(arrays[0]), dtype=bool)
            for x in arrays:
                if fused.survey(x, rows=False, normalisers=False, checksum=False).zeros:
                    rows |= np.isneginf(x).any(axis=1)
            if not rows.any():
                return arrays
            room = [np.empty_like(x) for x in arrays] if into is None else into
            for x, out in zip(arrays, room, strict=True):
                out[:] = x
                out[rows] = floored_logits(x[rows], epsilon)
            return room

        if isinstance(self.parameters, Lazy):
            own = self.parameters.map(lambda block, _: raised(block), quick=raised_logits)
            return replace(self, parameters=as_array(own))
        return replace(self, parameters=raised(self.parameters))

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Predictions:
        """Return some rows."""
        present = None if self.present is None else self.present[:, rows]
        if present is not None and present.all():
            present = None
        ids = None if self.ids is None else self.ids[rows]
        c = None if self.confidence is None else self.confidence[:, rows]
        parameters = self.parameters[:, rows]
        return replace(self, parameters=parameters, present=present, ids=ids, confidence=c)

    def models(self, order: list[int | None], names: tuple[str, ...]) -> Predictions:
        """Return models in another order; None stands for one that answered nothing."""
        if list(range(self.n_models)) == order:
            return self
        here = np.array([i is not None for i in order])
        chosen = [i if i is not None else 0 for i in order]
        if isinstance(self.parameters, Cells):
            parameters: Array = as_array(self.parameters.arranged(order))
        else:
            parameters = np.asarray(self.parameters[chosen])
            parameters[~here] = np.nan
        everyone = np.ones(self.parameters.shape[:2], dtype=bool)
        given = everyone if self.present is None else self.present
        present = given[chosen] & here[:, None]
        c = None if self.confidence is None else self.confidence[chosen]
        return replace(
            self,
            names=names,
            parameters=parameters,
            present=None if present.all() else present,
            kinds=tuple(None if i is None else self.kinds[i] for i in order),
            confidence=c,
        )
