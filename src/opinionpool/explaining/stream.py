"""Labelled rows that are read a block at a time, and of which a random sample is kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..diagnostics.paired import Clusters
from ..families import CATEGORICAL
from ..kernels.threads import in_threads
from ..pool import Pool
from ..predictions import Predictions, Targets
from ..predictions.precise import Precise
from ..rules.fused import worthwhile
from .case import Case
from .sums import Sums

Array = NDArray[np.float64]
Rows = NDArray[np.int64]

#: Cells of a block: 8 MB, so that the calls around it cost nothing and a dozen temporaries little.
BLOCK_CELLS = 1 << 20


class Stream:
    """The labelled rows of some predictions, a block at a time.

    Parameters
    ----------
    pool, known, targets, draws, z, seed
        As for :class:`~opinionpool.explaining.case.Case`.
    cluster
        (n,) which labelled rows are one draw, None where every one is.
    threads
        How many add up large predictions; they end with each block.

    Attributes
    ----------
    passes
        How many times the rows were read.
    large
        Whether they are so many that compiled kernels are worth their loading.
    """

    def __init__(
        self,
        pool: Pool,
        known: Predictions,
        targets: Targets,
        cluster: Rows | None,
        z: float,
        draws: int,
        seed: int,
        threads: int = 1,
    ) -> None:
        cells = known.n_models * len(targets.rows) * known.n_parameters
        self.large = known.family is CATEGORICAL and worthwhile(cells)
        known = replace(known, large=self.large)
        self.pool, self.known, self.targets, self.cluster = pool, known, targets, cluster
        self.z, self.draws, self.seed, self.threads = z, draws, seed, threads
        self.n = len(targets.rows)
        self.passes = 0

    @property
    def clusters(self) -> Clusters:
        """Which rows are one draw."""
        return Clusters(self.n, True) if self.cluster is None else Clusters.of(self.cluster)

    @property
    def at_hand(self) -> bool:
        """Whether some of the rows can be had without reading the others."""
        parameters = self.known.parameters
        cells = parameters.cells if isinstance(parameters, Precise) else parameters
        sources = getattr(cells, "sources", ())
        in_place = bool(sources) and all(source.in_memory for source in sources)
        return in_place or isinstance(parameters, np.ndarray)

    def some(self, rows: Rows) -> Case:
        """Return some labelled rows, by number, as a case of their own: they are kept."""
        parameters: Any = self.known.parameters[:, self.targets.rows[rows]]
        if not isinstance(parameters, np.ndarray):
            parameters = np.concatenate([part for _, part in parameters.parts()], axis=1)
        return self.case(parameters, rows, self.threads)

    def read(self, *sums: Sums) -> None:
        """Read all rows once and add them to all sums.

        Threads share the sums out, never the rows of one: each sum adds the blocks up in their
        order, however many threads there are.
        """
        self.passes += 1
        spans = [(i, i + 1) for i in range(len(sums))]
        for block in self.blocks():
            block.looked_up()

            def add(i: int, _: int, block: Case = block) -> None:
                sums[i].add(block)

            in_threads(add, spans, self.threads if self.large else 1)

    def blocks(self) -> Iterator[Case]:
        """Yield consecutive labelled rows."""
        for first, parameters in self._parts():
            step = max(1, BLOCK_CELLS // max(1, parameters.shape[0] * parameters.shape[2]))
            n = parameters.shape[1]
            for start in range(0, n, step):
                yield self._block(first + start, parameters[:, start : start + step])

    def case(self, parameters: Array, rows: Rows, threads: int = 1) -> Case:
        """Return some labelled rows (n,), by their numbers among these, as a case of their own."""
        known, targets = self.known, self.targets.take(rows)
        at = targets.rows
        present = None if known.present is None else known.present[:, at]
        return Case(
            self.pool,
            replace(
                known,
                parameters=parameters,
                present=None if present is None or present.all() else present,
                ids=None if known.ids is None else known.ids[at],
                confidence=None if known.confidence is None else known.confidence[:, at],
            ),
            replace(targets, rows=np.arange(len(at))),
            rows if self.cluster is None else self.cluster[rows],
            self.z,
            self.draws,
            self.seed,
            at,
            threads,
        )

    def _block(self, first: int, parameters: Array) -> Case:
        return self.case(parameters, np.arange(first, first + parameters.shape[1]))

    def _parts(self) -> Iterator[tuple[int, Array]]:
        """Yield the first labelled row of a part, and the parameters (M, n, P)."""
        rows, whole = self.targets.rows, self.known.parameters
        if not isinstance(whole, np.ndarray):  # in files: only its own blocks are ever read
            every = self.known.n_rows == len(rows)
            chosen: Any = whole if every else whole[:, rows]
            for part, parameters in chosen.parts():
                yield part.start, parameters
            return
        step = max(1, BLOCK_CELLS // max(1, whole.shape[0] * whole.shape[2]))
        for first in range(0, len(rows), step):
            here = rows[first : first + step]
            start, stop = int(here[0]), int(here[-1]) + 1
            # Labelled rows ascend, and mostly there are no others between them.
            together = stop - start == len(here)
            yield first, whole[:, start:stop] if together else whole[:, here]


def drawn(n: int, size: int, seed: int) -> Rows:
    """Return the numbers of ``size`` of ``n`` rows, drawn at random, ascending."""
    chosen = np.random.default_rng(seed).choice(n, size, replace=False, shuffle=False)
    return np.sort(chosen)


class Sample:
    """Some rows, kept in memory.

    Parameters
    ----------
    stream
        Whose rows.
    rows
        Their numbers, ascending.
    """

    def __init__(self, stream: Stream, rows: Rows) -> None:
        self.stream, self.rows = stream, rows
        m, p = stream.known.n_models, stream.known.n_parameters
        self._parameters = np.empty((m, len(rows), p))
        self._seen = self._kept = 0

    def add(self, block: Case) -> None:
        """Keep what was chosen of a block."""
        until = self._seen + len(block.weight)
        last = int(np.searchsorted(self.rows, until))
        here = self.rows[self._kept : last] - self._seen
        self._parameters[:, self._kept : last] = block.known.parameters[:, here]
        self._seen, self._kept = until, last

    def case(self) -> Case:
        """Return the sample."""
        return self.stream.case(self._parameters, self.rows, self.stream.threads)
