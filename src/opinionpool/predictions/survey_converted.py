"""The survey of cells of which the log-probabilities are to be taken first.

Of one column's logits where the compiled survey finds nothing wrong with them; else, and of
probabilities that cannot be, of log-probabilities in plain NumPy, which say what is wrong.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..families.outcomes import Outcomes
from ..kernels import fused
from ..kernels.status import MISSING
from ..kernels.threads import blocks, in_threads
from .cells import Source
from .kinds import as_logits
from .side_by_side import Beside
from .table_blocks import blocks_of

Array = NDArray[np.float64]

#: Rows whose log-probabilities are taken at a time.
_SPAN = 1 << 12
#: Logits are taken of parts of the usual blocks, half a megabyte of cells: they stay in a core's
#: second-level cache, and memory for them is not asked of the system each time.
_PARTS = 32


class Converted(NamedTuple):
    """What a survey of converted cells finds: see :class:`~opinionpool.predictions.survey.Facts`.

    ``lost`` and ``counted`` are the sums of weighted losses and of weights.
    """

    present: NDArray[np.bool_]
    zeros: int
    spread: float
    lost: float
    counted: float


def survey_logits(
    source: Source,
    outcomes: Outcomes | None,
    weight: Array | None,
    threads: int,
    beside: Beside,
) -> Converted | None:
    """Survey the logits of one column each cell of which is good; None where a row may not be.

    Arguments are those of :func:`~opinionpool.predictions.survey.survey`, the kind is known.
    """
    kind, (n, k) = source.kind, source.table.values.shape
    assert kind is not None
    assert k == 1
    present, parts = np.zeros(n, dtype=bool), []

    def work(first: int, cells: NDArray[Any], a: int, b: int) -> fused.Survey:
        rows = slice(first + a, first + b)
        happened = None if outcomes is None else outcomes.take(rows)
        return fused.survey(
            as_logits(cells[a:b], kind),
            None if happened is None else happened.classes,
            soft=None if happened is None else happened.soft,
            weight=None if weight is None else weight[rows],
            rows=False,
            normalisers=happened is not None,
            checksum=False,
        )

    for first, cells in blocks_of(source.table, beside):
        spans = blocks(len(cells), cells.itemsize, _PARTS)
        found = in_threads(partial(work, first, cells), spans, threads)
        for (a, b), own in zip(spans, found, strict=True):
            here = own.status == 0
            if not (here | (own.status == MISSING)).all():
                return None
            present[first + a : first + b] = here
        parts += found
    return Converted(
        present,
        sum(own.zeros for own in parts),
        max((own.spread for own in parts), default=0.0),
        sum(own.lost for own in parts),
        sum(own.counted for own in parts),
    )


def survey_log_probabilities(
    source: Source,
    outcomes: Outcomes | None,
    weight: Array | None,
    threads: int,
    beside: Beside,
) -> Converted:
    """Survey the log-probabilities of cells; arguments as for :func:`survey_logits`.

    Raises
    ------
    ProbabilityError
        For cells that cannot be, with the row that holds them.
    """
    n, _ = source.table.values.shape
    present, zeros, spread, lost, counted = np.zeros(n, dtype=bool), 0, 0.0, 0.0, 0.0
    own_order = replace(source, order=None, positions=None)

    def work(first: int, cells: NDArray[Any]) -> _Sums:
        rows = slice(first, first + len(cells))
        log_p = own_order.log_p(cells, first)
        here = ~np.isnan(log_p[:, -1])
        present[rows] = here
        at, u = np.zeros(0), np.zeros(0)
        if outcomes is not None and weight is not None:
            counts = here & (weight[rows] > 0)
            at = outcomes.take(rows).take(counts).expectation(log_p[counts])
            u = weight[rows][counts]
        vetoed = np.isneginf(log_p)
        low = log_p.min(axis=1, where=~vetoed & here[:, None], initial=np.inf)
        high = log_p.max(axis=1, where=here[:, None], initial=-np.inf)
        widest = (high - low)[here].max(initial=0.0)
        return _Sums(int(vetoed.sum()), float(widest), -float((u * at).sum()), float(u.sum()))

    for first, cells in blocks_of(source.table, beside):
        spans = [(a, min(len(cells), a + _SPAN)) for a in range(0, len(cells), _SPAN)]
        for own in in_threads(partial(_between, work, first, cells), spans, threads):
            zeros += own.zeros
            spread = max(spread, own.spread)
            lost, counted = lost + own.lost, counted + own.counted
    return Converted(present, zeros, spread, lost, counted)


class _Sums(NamedTuple):
    """What converted rows come to."""

    zeros: int
    spread: float
    lost: float
    counted: float


def _between(work: Any, first: int, cells: NDArray[Any], a: int, b: int) -> _Sums:
    found: _Sums = work(first + a, cells[a:b])
    return found
