"""One pass over one model: are its rows sound, what are their normalisers and its losses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import survey_plain
from .arrays import Rows, common_dtype, left_over, plain_layout
from .choice import NARROW_SURVEY, Kernels, compiled
from .survey_plain import Outline, Tally
from .threads import blocks, in_threads

Array = NDArray[np.float64]
Kernel = Callable[..., None]

#: Minus the logarithm of the least number above 0.
_LEAST = 1074 * np.log(2)


class Survey(NamedTuple):
    """What one pass over one model's rows finds.

    Attributes
    ----------
    log_z
        (N,) logsumexp of the row, −inf cells counting nothing; NaN where the status is not 0.
    at_outcome
        (N,) log-probability of what happened, ``x_y − log_z``; soft ``Σ_k q_k (x_k − log_z)``,
        0·(−inf) = 0. 0 for rows without a label, NaN for others whose status is not 0. None where
        no outcomes were given.
    status
        (N,) 0 for a good row, else IMPOSSIBLE (all cells −inf), MISSING, PARTLY_NAN or INFINITE of
        :mod:`~opinionpool.kernels.status`.
    low, high
        Smallest and largest finite cell of good rows; NaN if there are none.
    zeros
        Number of −inf cells in good rows.
    spread
        Largest distance between two finite cells of a good row; 0 if there are none.
    checksum
        Of all cells' bits and places, below 2**64; 0 where none was asked for.
    like
        How many good rows have ``log_z`` in ``near``: exponentials that add up to one.
    lost, counted
        ``−Σ u ℓ(y)`` over good rows of weight ``u > 0``, and ``Σ u``; 0 without outcomes and
        weights.

    ``log_z`` and ``at_outcome`` are None where the rows' numbers were not to be kept.
    """

    log_z: Array | None
    at_outcome: Array | None
    status: NDArray[np.uint8]
    low: float
    high: float
    zeros: int
    spread: float
    checksum: int
    like: int
    lost: float
    counted: float


def survey(
    x: NDArray[Any],
    classes: NDArray[np.int64] | None = None,
    *,
    soft: Array | None = None,
    weight: Array | None = None,
    near: tuple[float, float] = (0.0, 0.0),
    rows: bool = True,
    normalisers: bool = True,
    exact: bool = False,
    shares: bool = False,
    first_row: int = 0,
    checksum: bool = True,
    threads: int = 1,
    kernels: Kernels | None = None,
) -> Survey:
    """Survey one model's cells, in one pass over memory.

    Parameters
    ----------
    x
        (N, K) logits or log-probabilities, normalised or not; any strides. What is not float32 in
        the machine's byte order is read as float64.
    classes
        (N,) what happened, as class numbers; negative for a row without a label.
    soft
        (N, K) probabilities of what happened, instead of ``classes``; 0 for a row without a label.
    weight
        (N,) what a row's loss counts; 0 for a row without a label. None for no mean loss.
    near
        Smallest and largest ``log_z`` of rows that count as ``like``.
    rows
        Whether to keep ``log_z`` and ``at_outcome``; of float32 cells they are good to 2e-7 (to
        1e-12 where a row's cells are far apart), and errors of different rows do not add up.
    normalisers
        Whether anybody wants ``log_z`` or what it gives: without, nothing is exponentiated, and
        ``like`` is 0. Only without outcomes, and without ``rows``.
    exact
        Whether float32 cells are to be read as float64, so that ``log_z`` and ``at_outcome`` are
        good to 1e-12, in twice the time. Only without a checksum.
    shares
        Whether cells are no logits but probabilities, rows of any sum, and cells not above 0 count
        as 0: what is found is that of their logarithms, good to 1e-12, but for the checksum and for
        ``low`` and ``high`` (which −inf may be). Nothing is exponentiated.
    first_row
        The number that the first row has in the whole array, if ``x`` is a block of it.
    checksum
        Whether to compute one: ``Σ (word + upper half of word) · (2 place + 1)`` modulo 2**64 over
        the 64-bit words of the cells in C order: a float64 cell is one, and two float32 cells are,
        the first of them its lower half. Every cell counts for itself, in its half of a word, so
        those of consecutive blocks add up to that of the whole. Cells' bits are multiplied by odd
        numbers, so that no change of one finite cell goes unnoticed; it is no protection from
        anybody who wants the same sum of other cells.
    threads, kernels
        See :func:`~opinionpool.kernels.applying.apply`.

    Examples
    --------
    >>> found = survey(np.log([[1.0, 3.0], [2.0, 0.5]]), np.array([1, 0]), checksum=False)
    >>> np.exp(found.log_z).round(4), np.exp(found.at_outcome).round(4)
    (array([4. , 2.5]), array([0.75, 0.8 ]))
    """
    n, k = x.shape
    status = np.zeros(n, np.uint8)
    happened = classes is not None or soft is not None
    assert normalisers or not (rows or happened)
    assert not (exact and checksum)  # of other bits than the cells'
    assert normalisers or not shares
    kept = (np.empty(n), np.empty(n) if happened else None) if rows else None
    kind = _Compiled if compiled(kernels) else _Plain
    work: Callable[[int, int], tuple[Outline, Tally]] = kind(
        *(x, classes, soft, weight, kept, status, first_row, checksum),
        *(near if normalisers else None, exact, shares),
    )
    # Parts of the usual blocks, enough of them for threads to end together. Of wide rows a half:
    # calling takes 10 µs, a tenth of the time of an eighth of rows of 128,000 classes.
    parts_of_block = 4 if k * x.itemsize <= NARROW_SURVEY else 2
    found = in_threads(work, blocks(n, k * x.itemsize, parts_of_block), threads)
    parts, tallies = [part for part, _ in found], [own for _, own in found]
    good = [part for part in parts if part.low <= part.high]
    log_z, at_outcome = kept or (None, None)
    return Survey(
        log_z,
        at_outcome,
        status,
        low=min((part.low for part in good), default=np.nan),
        high=max((part.high for part in good), default=np.nan),
        zeros=sum(part.zeros for part in parts),
        spread=max((part.spread for part in good), default=0.0),
        checksum=sum(part.checksum for part in parts) % 2**64,
        like=sum(own.like for own in tallies),
        lost=sum(own.lost for own in tallies),
        counted=sum(own.counted for own in tallies),
    )


#: What is known where nobody wants normalisers.
_NOTHING = Tally(0, 0.0, 0.0)


class _Plain:
    """One block of rows of :func:`survey`."""

    def __init__(
        self,
        x: NDArray[Any],
        classes: NDArray[np.int64] | None,
        soft: Array | None,
        weight: Array | None,
        kept: tuple[Array, Array | None] | None,
        status: NDArray[np.uint8],
        first_row: int,
        checksum: bool,
        near: tuple[float, float] | None,
        exact: bool = False,
        shares: bool = False,
    ) -> None:
        self.x, self.classes, self.soft, self.weight = x, classes, soft, weight
        self.kept, self.status, self.near = kept, status, near
        self.happened = classes is not None or soft is not None
        self.first_row, self.checksum, self.exact = first_row, checksum, exact
        self.shares = shares

    def __call__(self, first: int, last: int) -> tuple[Outline, Tally]:
        here = slice(first, last)
        log_z, at_outcome = self.of_rows(first, last)
        outline = survey_plain.survey(
            self.x[here],
            None if self.classes is None else self.classes[here],
            None if self.soft is None else self.soft[here],
            log_z,
            at_outcome,
            self.status[here],
            self.first_row + first if self.checksum else None,
            self.shares,
        )
        u = None if self.weight is None else self.weight[here]
        if self.near is None:
            return outline, _NOTHING
        return outline, survey_plain.tally(log_z, at_outcome, self.status[here], u, self.near)

    def of_rows(self, first: int, last: int) -> tuple[Array, Array | None]:
        """Return where to note the rows' numbers."""
        if self.kept is None:
            return np.empty(last - first), np.empty(last - first) if self.happened else None
        log_z, at_outcome = self.kept
        return log_z[first:last], None if at_outcome is None else at_outcome[first:last]


class _Compiled(_Plain):
    """The same, compiled."""

    def __init__(self, x: NDArray[Any], *rest: Any) -> None:
        super().__init__(x, *rest)
        wide = self.exact and not self.shares  # whose sums are exact in any case
        dtype = np.dtype(np.float64) if wide else common_dtype([x])
        self.narrow = x.shape[1] * dtype.itemsize <= NARROW_SURVEY
        self.rows = Rows([x], dtype, adjacent_rows=self.narrow)
        nothing = np.zeros(0)
        self.classes = plain_layout(nothing if self.classes is None else self.classes, np.int64)
        self.soft = plain_layout(np.zeros((0, 0)) if self.soft is None else self.soft, np.float64)
        counts = self.weight if self.happened else None
        self.weight = plain_layout(nothing if counts is None else counts, np.float64)

    def __call__(self, first: int, last: int) -> tuple[Outline, Tally]:
        by_tiles, by_rows = _shares_kernels() if self.shares else _logits_kernels()
        base, step, _alive = self.rows.block(first, last)
        here, k = slice(first, last), self.x.shape[1]
        assert self.classes is not None
        assert self.soft is not None
        assert self.weight is not None
        log_z, known = (None, None) if self.kept is None else self.of_rows(first, last)
        nothing, status, like = np.empty(0), self.status[here], self.rows.like
        found = np.array([np.inf, -np.inf, 0.0, 0.0, 0.0, 0.0])
        sums = np.zeros(2, np.uint64)
        outcomes = self.classes[here], self.soft[here], self.weight[here]
        data: tuple[Any, ...] = (
            *(base[0], step[0], k, outcomes, self.near or (0.0, 0.0), self.near is not None),
            *(nothing if log_z is None else log_z, nothing if known is None else known, status),
            *((self.first_row + first) * k * (like.itemsize // 4), like, found, sums),
        )
        spans = [(0, last - first)]
        if self.narrow:
            by_tiles(*spans[0], self.checksum, *data)
            spans = left_over(status)
        for span in spans:
            by_rows(*span, self.checksum and not self.narrow, *data)
        low, high, spread, near, lost, counted = (float(own) for own in found)
        if self.shares and spread > 0:
            # Of quotients; of subnormal numbers they may overflow.
            spread = min(np.log(spread), np.log(high) + _LEAST)
        outline = Outline(low, high, int(sums[1]), spread, int(sums[0]))
        return outline, Tally(int(near), lost, counted)


def _logits_kernels() -> tuple[Kernel, Kernel]:
    """Load what surveys logits, tile by tile and row by row."""
    from .survey_narrow import survey_narrow
    from .survey_rows import survey_rows

    return survey_narrow, survey_rows


def _shares_kernels() -> tuple[Kernel, Kernel]:
    """Load what surveys probabilities."""
    from .survey_narrow_shares import survey_narrow_shares
    from .survey_shares import survey_shares

    return survey_narrow_shares, survey_shares
