"""What one reading of the rows tells of a pool, whether they come at once or block by block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..diagnostics.paired import Clusters
from ..pool import Pool
from .absences import Absences, Costs, Zeros
from .case import Case
from .headline import Headline
from .rows_shown import RowsShown
from .split import Divergences, Split
from .sums import Sums, Together


@dataclass(frozen=True)
class _Touched:
    """Counts of rows touched by a policy."""

    counts: dict[str, int]

    def add(self, block: Case) -> None:
        for name, count in block.pooled.touched.items():
            self.counts[name] = self.counts.get(name, 0) + count


class Survey:
    """Sums over the rows for all sections that need no refit and no bins."""

    def __init__(self, pool: Pool, clusters: Clusters, z: float) -> None:
        self.pool, self.clusters = pool, clusters
        self.headline = Headline(pool.models, clusters, z)
        self.split = Split(pool)
        self.divergences = Divergences(pool.models)
        self.absences = Absences(pool.models)
        self.zeros = Zeros(pool)
        self.rows_shown = RowsShown()
        #: Counts of rows touched by a policy.
        self.touched: dict[str, int] = {}

    def add(self, block: Case) -> None:
        """Add a block of rows, which come after all others."""
        for sums in self.parts:
            sums.add(block)

    @property
    def parts(self) -> tuple[Sums, ...]:
        """What :meth:`add` adds to: no two of them share a sum, those with most work come first."""
        # Of what two of these look at in a block, nothing is made twice.
        together = Together((self.split, self.divergences, self.rows_shown))
        return together, self.headline, self.absences, self.zeros, _Touched(self.touched)

    def found(self, costs: Costs) -> dict[str, Any]:
        """Return the sections of the dict."""
        losses = self.headline.model_losses
        return {
            "headline": self.headline.found(),
            "decomposition": self.split.found(losses),
            "disagreement": self.divergences.found(),
            "missing": self.absences.found(self.pool, losses, costs),
            "zeros": self.zeros.found(),
            "row_extremes": self.rows_shown.found(),
        }
