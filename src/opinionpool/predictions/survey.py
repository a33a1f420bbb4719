"""The survey: one pass over a model's cells that checks them and says all that is worth keeping.

What was checked once is read without checks from then on. For cells that the log rule may use
as they are, the compiled survey does in one pass what takes a dozen with plain arrays.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..families.outcomes import Outcomes
from ..kernels import fused
from ..kernels.status import IMPOSSIBLE, MISSING
from .cells import Source
from .copied import Copied, copy_of
from .kinds import (
    CELL_SLACK,
    NEAR_ONE,
    Extent,
    doubt_about,
    kind_of,
    likely_probabilities,
    log_probabilities,
    presence,
)
from .lazy import LazyValues
from .side_by_side import Beside
from .survey_converted import survey_log_probabilities, survey_logits
from .table import Table
from .table_blocks import blocks_of

Array = NDArray[np.float64]

ALONE = Beside()


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
    loss
        Mean ``−ℓ(y)`` over answered rows of weight, NaN where there are none.
    checksum
        Of the cells as they are, modulo 2**64.
    spread
        Largest difference between two finite logits of a row.
    copy
        Of the cells, plain and quick to read; None where that is what they are.
    doubt
        What to warn of about the kind, by whoever is in the caller's thread.
    """

    kind: str | None
    present: NDArray[np.bool_]
    zeros: int
    loss: float
    checksum: int
    spread: float
    copy: Copied | None = None
    doubt: str | None = None


def survey(
    source: Source,
    asked: str,
    outcomes: Outcomes | None,
    weight: Array | None = None,
    threads: int = 1,
    budget: int | None = None,
    beside: Beside = ALONE,
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
    weight
        What every row of the table counts, 0 where there is no label.
    threads
        How many threads may be used.
    budget
        Bytes of memory that reading from a file may take; None for no limit.
    beside
        The other surveys that are under way, with which the budget is shared.

    Raises
    ------
    ProbabilityError
        For cells that cannot be, with the row that holds them.
    """
    found = _Numbers(source, asked, outcomes, weight, threads, budget, beside)
    if found.shares and not found.sound_as("probabilities"):  # by its looks alone
        found = found.again(shares=False)
    kind, single = found.kind(), source.table.values.shape[1] == 1
    if kind is None:
        return found.facts(None)
    if kind != "probabilities" and not single:
        found.check(kind)
        return found.facts(kind)
    sound = found.sound_as(kind)
    if sound and not (single or found.shares):
        found = found.again(shares=True)
        sound = found.sound_as(kind)
    if sound and not single:
        return found.facts(kind)
    plain = replace(source, kind=kind, table=found.table)
    given = (plain, outcomes, weight, threads, beside)
    own = survey_logits(*given) if sound else None
    if own is None:
        own = survey_log_probabilities(*given)
    loss = _mean(own.lost, own.counted)
    return Facts(kind, own.present, own.zeros, loss, found.checksum, own.spread, copy=found.copy)


class _Numbers:
    """The compiled survey of a whole table, whatever its cells turn out to be."""

    def __init__(
        self,
        source: Source,
        asked: str,
        outcomes: Outcomes | None,
        weight: Array | None,
        threads: int,
        budget: int | None,
        beside: Beside,
        shares: bool | None = None,
    ) -> None:
        self.given = (asked, outcomes, weight, threads, budget, beside)
        self.source, self.weight = source, weight
        #: Whether cells are taken for probabilities: by their looks, unless that is said.
        self.shares = shares
        #: Who pools with known weights asks neither for losses nor which models are the same.
        self.labelled, self.asked = outcomes is not None, asked
        n, k = source.table.values.shape
        self.present = np.zeros(n, dtype=bool)
        self.lost = self.counted = 0.0
        self.low, self.high, self.zeros, self.n_like, self.checksum = np.inf, -np.inf, 0, 0, 0
        self.impossible = self.unlike = False
        #: Rows that were found to be distributions when cells were taken for probabilities.
        self.n_whole = 0
        self.doubt: str | None = None
        self.spread = 0.0
        values, table = source.table.values, source.table
        self.copy = copy_of(values) if isinstance(values, LazyValues) else None
        if isinstance(values, LazyValues) and self.copy is not None and budget is not None:
            # The only files that are being read may use the buffers of all.
            table = replace(table, values=values.within(budget // 2 // beside.workers))
        for first, cells in blocks_of(table, beside, budget, self.copy):
            if self.shares is None:
                self.shares = self._likely(cells)
            rows = slice(first, first + len(cells))
            # One column is two classes: its outcomes are looked up once it was converted.
            happened = None if outcomes is None or k == 1 else outcomes.take(rows)
            self._add(cells, happened, rows, k, threads)

    def _add(
        self, cells: NDArray[Any], happened: Outcomes | None, rows: slice, k: int, threads: int
    ) -> None:
        classes = None if happened is None else happened.classes
        soft = None if happened is None else happened.soft
        own = fused.survey(
            cells,
            classes,
            soft=soft,
            weight=None if self.weight is None else self.weight[rows],
            near=NEAR_ONE,
            rows=False,
            normalisers=happened is not None or self.asked != "logits" or bool(self.shares),
            shares=bool(self.shares),
            checksum=self.labelled,
            threads=threads,
            first_row=rows.start,
        )
        here = own.status == 0
        if not here.all() and ((own.status != 0) & (own.status != MISSING)).any():
            block = self.source.table.rows(rows.start, rows.stop, cells)
            presence(block)  # says which row is not sound, and why
            self.impossible = True
            here |= own.status == IMPOSSIBLE
        self.present[rows] = here
        if own.low <= own.high:
            self.low, self.high = min(self.low, own.low), max(self.high, own.high)
        self.zeros += own.zeros
        self.spread = max(self.spread, own.spread)
        self.checksum = (self.checksum + own.checksum) % (1 << 64)
        # Of shares, and as for log-probabilities; else nobody asks.
        if self.shares or not own.high > CELL_SLACK:
            self.unlike |= own.like < int(here.sum())
            self.n_like += own.like
        self.lost += own.lost
        self.counted += own.counted

    def _likely(self, cells: NDArray[Any]) -> bool:
        """Whether cells may be, and look like, probabilities."""
        if cells.shape[1] == 1 or self.asked not in ("auto", "probabilities"):
            return False
        return likely_probabilities(cells, renormalise=self.source.renormalise)

    def again(self, *, shares: bool) -> _Numbers:
        """Return the survey of the same cells, taken for what they are."""
        found = _Numbers(replace(self.source, table=self.table), *self.given, shares=shares)
        found.copy = self.copy
        found.n_whole = self.n_like if self.shares else 0
        return found

    @property
    def table(self) -> Table:
        """The table, read from the copy if there is one."""
        table = self.source.table
        return table if self.copy is None else replace(table, values=self.copy)

    def kind(self) -> str | None:
        """Return what the cells are; None where there is no answer at all."""
        table = self.source.table
        if not self.present.any():
            return None
        if self.asked != "auto":
            return self.asked
        if self.shares:
            return "probabilities"
        low = -np.inf if self.low > self.high else self.low  # nothing but −inf
        extent = Extent(
            low,
            self.high,
            self.zeros,
            self.n_like,
            int(self.present.sum()),
            table.values.shape[1] == 1,
            self.n_whole,
        )
        kind = kind_of(extent, table.where, renormalise=self.source.renormalise)
        self.doubt = doubt_about(kind, extent, table.where)
        return kind

    def sound_as(self, kind: str) -> bool:
        """Whether no cell is wrong for a kind whose logits are to be taken.

        Nor, of shares, any row's sum.
        """
        single, renormalise = self.source.table.values.shape[1] == 1, self.source.renormalise
        if kind == "probabilities":
            highest = np.inf if renormalise and not single else 1 + CELL_SLACK
            possible = self.low >= -CELL_SLACK and self.high <= highest
            if self.shares:
                return possible and not self.impossible and (renormalise or not self.unlike)
            return possible and not self.zeros
        return kind == "logits" or renormalise or self.high <= CELL_SLACK

    def check(self, kind: str) -> None:
        """Let the reader of a kind find what is wrong with the cells, if anything is."""
        wrong = kind == "log-probabilities" and not self.source.renormalise
        if not (self.impossible or (wrong and (self.high > CELL_SLACK or self.unlike))):
            return
        for first, cells in blocks_of(self.source.table, ALONE):
            block = self.source.table.rows(first, first + len(cells), cells)
            log_probabilities(block, presence(block), kind)

    def facts(self, kind: str | None) -> Facts:
        return Facts(
            kind,
            self.present,
            self.zeros,
            _mean(self.lost, self.counted),
            self.checksum,
            self.spread,
            self.copy,
            self.doubt,
        )


def _mean(lost: float, counted: float) -> float:
    return lost / counted if counted else float(np.nan)
