"""Parameters that are read block by block: distributions that are never in memory all at once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray

from ..kernels.threads import in_threads
from ..maths.plain_numpy import xp
from ..maths.softmax import log_softmax
from ..memory import available_bytes, require
from .logits import Logits, made, row_bytes_of, together

Array = NDArray[np.float64]
Rows = NDArray[np.int64] | NDArray[np.bool_] | slice
#: What a block of rows (M, n, P) becomes; the second says which rows these are.
Map = Callable[[Array, Any], Array]
#: What the logits of a block of rows become; the third may be written into, the first only where
#: they are the same.
LogitsMap = Callable[[Logits, Any, Logits | None], Logits]


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
    spread
        (M,) at least the models' largest differences between two finite logits of a row, None
        where nobody knows.
    checksums
        (M,) equal for models whose cells are equal; None where nobody compared them.
    ready
        M arrays of logits in memory, see :meth:`kept`; None where there are none.
    """

    shape: tuple[int, int, int]
    ndim = 3
    zeros: int | None = None
    spread: Array | None = None
    checksums: tuple[Any, ...] | None = None
    ready: Logits | None = None

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

    def logits(self, threads: int = 1) -> Iterator[tuple[slice, Logits]]:
        """Yield consecutive rows and M (n, K) arrays that the log rule may use as they are.

        Logits that differ from log-probabilities by a number per row and model do
        (maths.md §2).
        """
        for rows, parameters in self.parts():
            yield rows, list(parameters)

    @property
    def in_place(self) -> Logits | None:
        """M arrays in memory for the log rule, all rows of them; None where there are none."""
        return self.ready

    @property
    def at_hand(self) -> bool:
        """Whether the logits of any rows can be had at once: see :meth:`logits_of`."""
        return self.in_place is not None

    def logits_of(self, rows: slice, into: Logits | None = None) -> Logits:
        """Return M arrays that the log rule may use, of consecutive rows that are at hand.

        They may be written into those given.
        """
        arrays = self.in_place
        assert arrays is not None
        return [x[rows] for x in arrays]

    @property
    def shares(self) -> list[bool] | None:
        """Which models' cells are probabilities, rows of any sum; None where nobody's are."""
        return None

    def cells_of(self, rows: slice, into: Logits | None = None) -> Logits:
        """Do as :meth:`logits_of`, but return probabilities as they are."""
        return self.logits_of(rows, into)

    def as_given(self, threads: int = 1) -> Iterator[tuple[slice, Logits]]:
        """Do as :meth:`logits`, but yield probabilities as they are."""
        yield from self.logits(threads)

    def affords(self, row_bytes: int) -> bool:
        """Whether so many bytes per row may be kept in memory besides."""
        return True

    def kept(self, threads: int = 1) -> Lazy:
        """Return the same for many passes: logits that have to be made are made once.

        Only where rows are at hand, and there is twice as much memory as that takes.
        """
        if self.in_place is not None or not self.at_hand:
            return self
        n, row_bytes = self.shape[1], row_bytes_of(self.logits_of(slice(0, 0)))
        free = available_bytes()
        if not self.affords(row_bytes) or (free is not None and 2 * n * row_bytes > free):
            return self
        self.used_in_place()
        return self.with_ready(made(self.logits_of, n, threads))

    def with_ready(self, arrays: Logits) -> Self:
        """Return the same with its logits in memory."""
        own = copy(self)
        own.ready = arrays
        return own

    def take(self, rows: Rows) -> Lazy:
        """Return some rows, in their order."""
        return Taken(self, np.arange(self.shape[1])[rows])

    def held(self, threads: int = 1) -> Array:
        """Return the same in memory, for many passes over few rows."""
        if not self.at_hand:
            return np.asarray(self)
        if self.in_place is None:
            return as_array(Held(made(self.logits_of, self.shape[1], threads), self.zeros))
        arrays = self.in_place

        def one(a: int, _: int) -> NDArray[Any]:
            return together(arrays[a])

        # NumPy copies without the GIL.
        copies = in_threads(one, [(a, a + 1) for a in range(len(arrays))], threads)
        return as_array(Held(copies, self.zeros))

    def models(self, chosen: Sequence[int] | NDArray[np.int64]) -> Lazy:
        """Return some models."""
        some = [int(i) for i in chosen]
        if some == list(range(self.shape[0])):
            return self

        def own(arrays: Logits, _: Any, into: Logits | None) -> Logits:
            return [arrays[i] for i in some]

        return Mapped(self, lambda block, _: block[some], len(some), own)._knowing(some, self)

    def map(self, f: Map, n_models: int | None = None, quick: LogitsMap | None = None) -> Mapped:
        """Return what ``f`` makes of every block of rows, ``quick`` of blocks of logits."""
        return Mapped(self, f, self.shape[0] if n_models is None else n_models, quick)

    def _knowing(self, models: Sequence[int], whole: Lazy) -> Self:
        """Note what is known of some models of a whole."""
        self.zeros = 0 if whole.zeros == 0 else None
        self.spread = None if whole.spread is None else whole.spread[models]
        self.checksums = whole.checksums and tuple(whole.checksums[i] for i in models)
        self.ready = whole.ready and [whole.ready[i] for i in models]
        return self

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
        self.spread = base.spread  # at most that of all

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

    def logits(self, threads: int = 1) -> Iterator[tuple[slice, Logits]]:
        """Yield these rows of every block."""
        if not self.ascending:
            yield from super().logits()
            return
        yield from self.chosen(self.base.logits(threads))

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
    """What a function makes of every block, and another one of every block of logits."""

    def __init__(self, base: Lazy, f: Map, n_models: int, quick: Any = None) -> None:
        self.base, self.f = base, f
        self.quick: Callable[..., Logits] | None = quick
        self.shape = (n_models, *base.shape[1:])

    @property
    def reads(self) -> int:
        """How often all rows were read."""
        return self.base.reads

    def used_in_place(self) -> None:
        """Count a reading of :attr:`in_place`."""
        self.base.used_in_place()

    def affords(self, row_bytes: int) -> bool:
        """Whether so many bytes per row may be kept in memory besides."""
        return self.base.affords(row_bytes)

    def take(self, rows: Rows) -> Lazy:
        """Return what the function makes of some rows: of no others is anything made."""
        every = np.arange(self.shape[1])[rows]
        f, quick = self.f, self.quick
        taken = type(self)(
            self.base.take(rows),
            lambda block, own: f(block, every[own]),
            self.shape[0],
            None if quick is None else lambda block, own, *rest: quick(block, every[own], *rest),
        )
        taken.zeros, taken.spread = 0 if self.zeros == 0 else None, self.spread
        taken.ready = self.ready and [x[rows] for x in self.ready]
        return taken

    def parts(self) -> Iterator[tuple[slice, Array]]:
        """Yield what every block becomes."""
        for rows, parameters in self.base.parts():
            yield rows, self.f(parameters, rows)

    def logits(self, threads: int = 1) -> Iterator[tuple[slice, Logits]]:
        """Yield what every block of logits becomes."""
        if self.quick is None:
            yield from super().logits(threads)
            return
        for rows, arrays in self._blocks(threads):

            def own(
                some: slice, into: Logits | None, first: int = rows.start, block: Logits = arrays
            ) -> Logits:
                there = slice(first + some.start, first + some.stop)
                return self._made([x[some] for x in block], there, into)

            yield rows, made(own, len(arrays[0]), threads)

    @property
    def at_hand(self) -> bool:
        """Whether the logits of any rows can be had at once."""
        return self.ready is not None or (self.quick is not None and self.base.at_hand)

    def logits_of(self, rows: slice, into: Logits | None = None) -> Logits:
        """Return what logits become, of consecutive rows."""
        if self.ready is not None:
            return super().logits_of(rows)
        # Of as many models: what the base writes is written over. (A pool of one is no such thing.)
        room = into if self.base.shape[0] == self.shape[0] > 1 else None
        return self._made(self._block(rows, room), rows, into)

    def _blocks(self, threads: int) -> Iterator[tuple[slice, Logits]]:
        """Yield consecutive rows, and what the quick function is called with."""
        yield from self.base.logits(threads)

    def _block(self, rows: slice, into: Logits | None) -> Logits:
        """Return the same of rows that are at hand."""
        return self.base.logits_of(rows, into)

    def _made(self, arrays: Logits, rows: slice, into: Logits | None) -> Logits:
        assert self.quick is not None
        return self.quick(arrays, rows, into)


class Held(Lazy):
    """Logits of few rows in memory: passes over them are not counted."""

    def __init__(self, arrays: Logits, zeros: int | None = None) -> None:
        self.ready = arrays
        self.shape = (len(arrays), *arrays[0].shape)
        self.zeros = 0 if zeros == 0 else None

    def parts(self) -> Iterator[tuple[slice, Array]]:
        """Yield log-probabilities of all rows."""
        assert self.ready is not None
        z = np.stack([x.astype(np.float64) for x in self.ready])
        yield slice(0, self.shape[1]), np.asarray(log_softmax(z, xp=xp))

    def logits(self, threads: int = 1) -> Iterator[tuple[slice, Logits]]:
        """Yield all rows as they are: what is mapped need not be normalised first."""
        assert self.ready is not None
        yield slice(0, self.shape[1]), self.ready


def logits_in(parameters: Array, threads: int = 1) -> Iterator[tuple[slice, Logits]]:
    """Yield consecutive rows of any parameters, and M (n, K) arrays that the log rule may use."""
    if not isinstance(parameters, Lazy):
        yield slice(0, parameters.shape[1]), list(parameters)
    elif parameters.in_place is not None:
        parameters.used_in_place()
        yield slice(0, parameters.shape[1]), parameters.in_place
    else:
        yield from parameters.logits(threads)


def cells_in(parameters: Array, threads: int = 1) -> Iterator[tuple[slice, Logits, Sequence[bool]]]:
    """Do as :func:`logits_in`, but yield probabilities as they are, and which arrays are such."""
    shares = parameters.shares if isinstance(parameters, Lazy) else None
    if shares is None:
        nothing = [False] * len(parameters)
        yield from ((rows, arrays, nothing) for rows, arrays in logits_in(parameters, threads))
        return
    assert isinstance(parameters, Lazy)
    yield from ((rows, arrays, shares) for rows, arrays in parameters.as_given(threads))
