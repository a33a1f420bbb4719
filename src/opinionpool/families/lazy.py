"""Parameters that are read block by block: distributions that are never in memory all at once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..memory import require

Array = NDArray[np.float64]
Rows = NDArray[np.int64] | NDArray[np.bool_] | slice
#: What a block of rows (M, n, P) becomes; the slice says which rows these are.
Map = Callable[[Array, slice], Array]


class Lazy(ABC):
    """An (M, N, P) array of parameters of which only blocks of rows are ever read.

    Whoever works by blocks (``evidence.blocks()``) never needs more memory than a few of them.
    Whoever asks NumPy for the whole gets it, if it fits.

    Attributes
    ----------
    shape
        (M, N, P).
    zeros
        How many cells are −inf, None where nobody counted.
    """

    shape: tuple[int, int, int]
    ndim = 3
    zeros: int | None = None

    @property
    def reads(self) -> int:
        """How often all rows were read."""
        return 0

    def used_in_place(self) -> None:  # noqa: B027 - who is never in place counts nothing
        """Count a reading of :attr:`in_place`."""

    @property
    def size(self) -> int:
        """Number of cells."""
        m, n, p = self.shape
        return m * n * p

    @abstractmethod
    def parts(self) -> Iterator[tuple[slice, Array]]:
        """Yield consecutive rows and their (M, n, P) parameters, NaN where absent."""

    def logits(self) -> Iterator[tuple[slice, list[NDArray[Any]]]]:
        """Yield consecutive rows and M (n, K) arrays that the log rule may use as they are.

        Logits that differ from log-probabilities by a number per row and model do
        (maths.md §2).
        """
        for rows, parameters in self.parts():
            yield rows, list(parameters)

    @property
    def in_place(self) -> list[NDArray[Any]] | None:
        """M arrays in memory for the log rule, all rows of them; None where there are none."""
        return None

    def affords(self, row_bytes: int) -> bool:
        """Whether so many bytes per row may be kept in memory besides."""
        return True

    def take(self, rows: Rows) -> Lazy:
        """Return some rows, in their order."""
        return Taken(self, np.arange(self.shape[1])[rows])

    def held(self, threads: int = 1) -> Array:
        """Return the same in memory, for many passes over few rows."""
        return np.asarray(self)

    def models(self, chosen: Sequence[int] | NDArray[np.int64]) -> Lazy:
        """Return some models."""
        return Mapped(self, lambda block, _: block[chosen], len(chosen))

    def map(self, f: Map, n_models: int | None = None) -> Lazy:
        """Return what ``f`` makes of every block of rows."""
        return Mapped(self, f, self.shape[0] if n_models is None else n_models)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        m, n, p = self.shape
        require(
            8 * self.size, f"holding the predictions of {m} models for {n} rows and {p} columns"
        )
        whole = np.empty(self.shape)
        for rows, parameters in self.parts():
            whole[:, rows] = parameters
        return whole if dtype is None else whole.astype(dtype, copy=False)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, tuple) and len(index) == 2 and index[0] == slice(None):
            return self.take(index[1])
        if isinstance(index, int | np.integer):
            return np.asarray(self.models([int(index)]))[0]
        if isinstance(index, list | np.ndarray):
            return self.models(np.arange(self.shape[0])[np.asarray(index)])
        return np.asarray(self)[index]

    def __len__(self) -> int:
        return self.shape[0]


def as_array(lazy: Lazy) -> Array:
    """Return it under the type of an array: it stands wherever arrays of parameters do."""
    return cast(Array, lazy)


class Taken(Lazy):
    """Some rows of another: a sorted choice is read in one pass, any other in its order."""

    def __init__(self, base: Lazy, rows: NDArray[np.int64]) -> None:
        self.base, self.rows = base, rows
        self.shape = (base.shape[0], len(rows), base.shape[2])
        self.zeros = 0 if base.zeros == 0 else None

    @property
    def reads(self) -> int:
        """How often all rows were read."""
        return self.base.reads

    def affords(self, row_bytes: int) -> bool:
        """Whether so many bytes per row may be kept in memory besides."""
        return self.base.affords(row_bytes)

    def take(self, rows: Rows) -> Lazy:
        """Return some of these rows."""
        return Taken(self.base, self.rows[rows])

    def parts(self) -> Iterator[tuple[slice, Array]]:
        """Yield these rows of every block; rows in another order only all at once."""
        if not self.ascending:
            order = np.argsort(self.rows, kind="stable")
            whole = np.empty(self.shape)
            for rows, parameters in Taken(self.base, self.rows[order]).chosen(self.base.parts()):
                whole[:, order[rows]] = np.asarray(parameters)
            yield slice(0, self.shape[1]), whole
            return
        yield from self.chosen(self.base.parts())

    def logits(self) -> Iterator[tuple[slice, list[NDArray[Any]]]]:
        """Yield these rows of every block."""
        if not self.ascending:
            yield from super().logits()
            return
        yield from self.chosen(self.base.logits())

    @property
    def ascending(self) -> bool:
        """Whether the rows come in the order of the base, none of them twice."""
        return bool((np.diff(self.rows) > 0).all())

    def chosen(self, parts: Iterator[tuple[slice, Any]]) -> Iterator[tuple[slice, Any]]:
        """Pick these rows out of consecutive blocks of the base."""
        done = 0
        for rows, block in parts:
            until = int(np.searchsorted(self.rows, rows.stop))
            if until > done:
                own = self.rows[done:until] - rows.start
                chosen = [x[own] for x in block] if isinstance(block, list) else block[:, own]
                yield slice(done, until), chosen
                done = until
            if done == len(self.rows):
                return


class Mapped(Lazy):
    """What a function makes of every block."""

    def __init__(self, base: Lazy, f: Map, n_models: int) -> None:
        self.base, self.f = base, f
        self.shape = (n_models, *base.shape[1:])

    @property
    def reads(self) -> int:
        """How often all rows were read."""
        return self.base.reads

    def affords(self, row_bytes: int) -> bool:
        """Whether so many bytes per row may be kept in memory besides."""
        return self.base.affords(row_bytes)

    def parts(self) -> Iterator[tuple[slice, Array]]:
        """Yield what every block becomes."""
        for rows, parameters in self.base.parts():
            yield rows, self.f(parameters, rows)
