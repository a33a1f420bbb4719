"""One pass over one model: are its rows sound, what are their normalisers and its losses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import survey_plain
from .arrays import Rows, common_dtype, plain_layout
from .choice import NARROW_SURVEY, Kernels, compiled
from .survey_plain import Outline
from .threads import blocks, in_threads

Array = NDArray[np.float64]


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
    """

    log_z: Array
    at_outcome: Array | None
    status: NDArray[np.uint8]
    low: float
    high: float
    zeros: int
    spread: float
    checksum: int


def survey(
    x: NDArray[Any],
    classes: NDArray[np.int64] | None = None,
    *,
    soft: Array | None = None,
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
    first_row
        The number that the first row has in the whole array, if ``x`` is a block of it.
    checksum
        Whether to compute one: ``Σ word · (2 place + 1)`` modulo 2**64 over the 32-bit words of the
        cells in C order, low word first. Those of consecutive blocks add up to that of the whole.
        Words are multiplied by odd numbers, so that no change of one cell goes unnoticed; it is no
        protection from anybody who wants the same sum of other cells.
    threads, kernels
        See :func:`~opinionpool.kernels.applying.apply`.

    Examples
    --------
    >>> found = survey(np.log([[1.0, 3.0], [2.0, 0.5]]), np.array([1, 0]), checksum=False)
    >>> np.exp(found.log_z).round(4), np.exp(found.at_outcome).round(4)
    (array([4. , 2.5]), array([0.75, 0.8 ]))
    """
    n, k = x.shape
    log_z, status = np.empty(n), np.zeros(n, np.uint8)
    at_outcome = None if classes is None and soft is None else np.empty(n)
    kind = _Compiled if compiled(kernels) else _Plain
    work: Callable[[int, int], Outline] = kind(
        x, classes, soft, log_z, at_outcome, status, first_row, checksum
    )
    parts = in_threads(work, blocks(n, k * x.itemsize), threads)
    good = [part for part in parts if part.low <= part.high]
    return Survey(
        *(log_z, at_outcome, status),
        low=min((part.low for part in good), default=np.nan),
        high=max((part.high for part in good), default=np.nan),
        zeros=sum(part.zeros for part in parts),
        spread=max((part.spread for part in good), default=0.0),
        checksum=sum(part.checksum for part in parts) % 2**64,
    )


class _Plain:
    """One block of rows of :func:`survey`."""

    def __init__(
        self,
        x: NDArray[Any],
        classes: NDArray[np.int64] | None,
        soft: Array | None,
        log_z: Array,
        at_outcome: Array | None,
        status: NDArray[np.uint8],
        first_row: int,
        checksum: bool,
    ) -> None:
        self.x, self.classes, self.soft = x, classes, soft
        self.log_z, self.at_outcome, self.status = log_z, at_outcome, status
        self.first_row, self.checksum = first_row, checksum

    def __call__(self, first: int, last: int) -> Outline:
        here = slice(first, last)
        return survey_plain.survey(
            self.x[here],
            None if self.classes is None else self.classes[here],
            None if self.soft is None else self.soft[here],
            self.log_z[here],
            None if self.at_outcome is None else self.at_outcome[here],
            self.status[here],
            self.first_row + first if self.checksum else None,
        )


class _Compiled(_Plain):
    """The same, compiled."""

    def __init__(self, x: NDArray[Any], *rest: Any) -> None:
        super().__init__(x, *rest)
        self.narrow = x.shape[1] <= NARROW_SURVEY
        self.rows = Rows([x], common_dtype([x]), adjacent_rows=self.narrow)
        nothing = np.zeros(0)
        self.classes = plain_layout(nothing if self.classes is None else self.classes, np.int64)
        self.soft = plain_layout(np.zeros((0, 0)) if self.soft is None else self.soft, np.float64)
        self.target = nothing if self.at_outcome is None else self.at_outcome

    def __call__(self, first: int, last: int) -> Outline:
        from .survey_narrow import survey_narrow
        from .survey_rows import survey_rows

        base, step, _alive = self.rows.block(first, last)
        extent, sums = np.array([np.inf, -np.inf, 0.0]), np.zeros(3, np.uint64)
        kernel = survey_narrow if self.narrow else survey_rows
        here, k = slice(first, last), self.x.shape[1]
        assert self.classes is not None
        assert self.soft is not None
        kernel(
            *(0, last - first, base[0], step[0], k, self.classes[here], self.soft[here]),
            *(self.log_z[here], self.target[here], self.status[here], self.checksum),
            *(self.rows.like, np.empty(0, np.uint32), extent, sums),
        )
        words, weighted, zeros = (int(own) for own in sums)
        place = (self.first_row + first) * k * (self.rows.like.itemsize // 4)
        low, high, spread = (float(own) for own in extent)
        return Outline(low, high, zeros, spread, (weighted + 2 * place * words) % 2**64)
