"""The survey: one pass over a model's cells that checks them and says all that is worth keeping.

What was checked once is read without checks from then on. For cells that the log rule may use
as they are, the compiled survey does in one pass what takes a dozen with plain arrays.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..families.outcomes import Outcomes
from ..kernels import fused
from ..kernels.status import IMPOSSIBLE, MISSING
from ..kernels.threads import in_threads
from .cells import BLOCK_CELLS, Source
from .copied import Copied, copy_of
from .kinds import CELL_SLACK, SUM_SLACK, Extent, kind_of, log_probabilities, presence
from .lazy import LazyValues, ahead
from .table import Table

Array = NDArray[np.float64]

#: Rows that are converted at a time.
_SPAN = 1 << 12


@dataclass(frozen=True)
class Facts:
    """What a survey of one model's table found.

    Attributes
    ----------
    kind
        What its cells are; None where it answered no row.
    present
        (n,) which rows it answered.
    zeros
        Exact zeros in answered rows.
    at_outcome
        (n,) ``ℓ(y_n)`` where there is a label, 0 elsewhere; None without labels.
    checksum
        Of the cells as they are, modulo 2**64.
    spread
        Largest difference between two finite logits of a row.
    copy
        Of the cells, plain and quick to read; None where that is what they are.
    """

    kind: str | None
    present: NDArray[np.bool_]
    zeros: int
    at_outcome: Array | None
    checksum: int
    spread: float
    copy: Copied | None = None


def survey(
    source: Source,
    asked: str,
    outcomes: Outcomes | None,
    threads: int = 1,
    budget: int | None = None,
) -> Facts:
    """Check one model's cells and find out what they are.

    Parameters
    ----------
    source
        The model's table; its kind is not known yet.
    asked
        ``"auto"``, or the kind that the caller says it is.
    outcomes
        Of every row of the table, its classes in the table's order; −1, or a row of zeros,
        where there is no label.
    threads
        How many threads may be used.
    budget
        Bytes of memory that reading from a file may take; None for no limit.

    Raises
    ------
    ProbabilityError
        For cells that cannot be, with the row that holds them.
    """
    found = _Numbers(source, outcomes, threads, budget)
    kind = found.kind(asked)
    if kind is None:
        return found.facts(None)
    if kind == "probabilities" or source.table.values.shape[1] == 1:
        plain = replace(source, kind=kind, table=found.table)
        return replace(_converted(plain, outcomes, found.checksum, threads), copy=found.copy)
    found.check(kind)
    return found.facts(kind)


class _Numbers:
    """The compiled survey of a whole table, whatever its cells turn out to be."""

    def __init__(
        self, source: Source, outcomes: Outcomes | None, threads: int, budget: int | None
    ) -> None:
        self.source = source
        n, k = source.table.values.shape
        self.present = np.zeros(n, dtype=bool)
        self.at_outcome = None if outcomes is None else np.zeros(n)
        self.low, self.high, self.zeros, self.n_like, self.checksum = np.inf, -np.inf, 0, 0, 0
        self.impossible = self.unlike = False
        self.spread = 0.0
        values, table = source.table.values, source.table
        self.copy = copy_of(values) if isinstance(values, LazyValues) else None
        if isinstance(values, LazyValues) and self.copy is not None and budget is not None:
            # The only file that is being read may use the buffers of all.
            table = replace(table, values=values.within(budget // 2))
        for first, cells in _blocks(table, budget, self.copy):
            rows = slice(first, first + len(cells))
            # One column is two classes: its outcomes are looked up once it was converted.
            happened = None if outcomes is None or k == 1 else outcomes.take(rows)
            self._add(cells, happened, rows, k, threads)

    def _add(
        self, cells: NDArray[Any], happened: Outcomes | None, rows: slice, k: int, threads: int
    ) -> None:
        classes = None if happened is None else happened.classes
        soft = None if happened is None else happened.soft
        own = fused.survey(cells, classes, soft=soft, threads=threads, first_row=rows.start)
        here = own.status == 0
        if ((own.status != 0) & (own.status != MISSING)).any():
            block = self.source.table.rows(rows.start, rows.stop, cells)
            presence(block)  # says which row is not sound, and why
            self.impossible = True
            here |= own.status == IMPOSSIBLE
        self.present[rows] = here
        if here.any():
            self.low = min(self.low, float(own.low)) if own.low == own.low else self.low
            self.high = max(self.high, float(own.high)) if own.high == own.high else self.high
        self.zeros += own.zeros
        self.spread = max(self.spread, float(own.spread))
        self.checksum = (self.checksum + own.checksum) % (1 << 64)
        if not own.high > CELL_SLACK:  # as for log-probabilities; else nobody asks
            with np.errstate(over="ignore"):
                like = here & (np.abs(np.exp(own.log_z) - 1) <= SUM_SLACK)
            self.unlike |= bool((here & ~like).any())
            self.n_like += int(like.sum())
        if self.at_outcome is not None and own.at_outcome is not None:
            own.at_outcome[~here] = 0.0
            self.at_outcome[rows] = own.at_outcome

    @property
    def table(self) -> Table:
        """The table, read from the copy if there is one."""
        table = self.source.table
        return table if self.copy is None else replace(table, values=self.copy)

    def kind(self, asked: str) -> str | None:
        """Return what the cells are; None where there is no answer at all."""
        table = self.source.table
        if not self.present.any():
            return None
        if asked != "auto":
            return asked
        low = -np.inf if self.low > self.high else self.low  # nothing but −inf
        extent = Extent(
            low,
            self.high,
            self.zeros,
            self.n_like,
            int(self.present.sum()),
            table.values.shape[1] == 1,
        )
        return kind_of(extent, table.where, renormalise=self.source.renormalise)

    def check(self, kind: str) -> None:
        """Let the reader of a kind find what is wrong with the cells, if anything is."""
        wrong = kind == "log-probabilities" and not self.source.renormalise
        if not (self.impossible or (wrong and (self.high > CELL_SLACK or self.unlike))):
            return
        for first, cells in _blocks(self.source.table):
            block = self.source.table.rows(first, first + len(cells), cells)
            log_probabilities(block, presence(block), kind)

    def facts(self, kind: str | None) -> Facts:
        return Facts(
            kind,
            self.present,
            self.zeros,
            self.at_outcome,
            self.checksum,
            self.spread,
            self.copy,
        )


def _converted(source: Source, outcomes: Outcomes | None, checksum: int, threads: int) -> Facts:
    """Survey cells of which the log-probabilities are to be taken first."""
    n, _ = source.table.values.shape
    present, zeros, spread = np.zeros(n, dtype=bool), 0, 0.0
    at_outcome = None if outcomes is None else np.zeros(n)
    own_order = replace(source, order=None, positions=None)

    def work(first: int, cells: NDArray[Any]) -> tuple[int, float]:
        rows = slice(first, first + len(cells))
        log_p = own_order.log_p(cells, first)
        here = ~np.isnan(log_p[:, -1])
        present[rows] = here
        if outcomes is not None and at_outcome is not None:
            happened = outcomes.take(rows)
            labelled = here.copy()
            if happened.classes is not None:
                labelled &= happened.classes >= 0
            at_outcome[rows][labelled] = happened.take(labelled).expectation(log_p[labelled])
        vetoed = np.isneginf(log_p)
        low = log_p.min(axis=1, where=~vetoed & here[:, None], initial=np.inf)
        high = log_p.max(axis=1, where=here[:, None], initial=-np.inf)
        spread = (high - low)[here].max(initial=0.0)
        return int(vetoed.sum()), float(spread)

    for first, cells in _blocks(source.table):
        spans = [(a, min(len(cells), a + _SPAN)) for a in range(0, len(cells), _SPAN)]
        some = in_threads(partial(_between, work, first, cells), spans, threads)
        for own_zeros, own_spread in some:
            zeros += own_zeros
            spread = max(spread, own_spread)
    return Facts(source.kind, present, zeros, at_outcome, checksum, spread)


def _between(work: Any, first: int, cells: NDArray[Any], a: int, b: int) -> tuple[int, float]:
    found: tuple[int, float] = work(first + a, cells[a:b])
    return found


def _blocks(
    table: Table, budget: int | None = None, copy: Copied | None = None
) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield the first row and the cells of consecutive blocks; arrays in memory are one.

    What is read is written to the ``copy`` by a thread of its own.
    """
    values = table.values
    if not isinstance(values, LazyValues):
        yield 0, values
        return
    # Three blocks are under way, five with a copy, in a quarter of the budget.
    cells_at_once = BLOCK_CELLS
    if budget is not None:
        cells_at_once = min(cells_at_once, budget // 4 // 5 // values.dtype.itemsize)
    step = max(1, cells_at_once // values.shape[1])
    blocks = values.scan(step)
    if copy is not None:
        blocks = copy.filling(ahead(blocks))
    first = 0
    for cells in ahead(blocks):
        yield first, cells
        first += len(cells)
