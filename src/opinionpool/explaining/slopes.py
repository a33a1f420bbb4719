"""Slope, curvature and scatter of the loss at a pool's weights: what their errors are made of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..diagnostics.paired import Clusters
from ..diagnostics.row_gradients import row_gradients
from ..diagnostics.weight_inference import Estimate, Scores
from ..options import Temperature
from ..pool import Pool
from ..predictions import Predictions
from ..rules import RULES
from ..rules.base import Sums
from ..rules.evidence import Evidence
from ..rules.objective import Penalty
from ..weightings.base import Task
from ..weightings.optimal import identical_models
from .case import Case

Array = NDArray[np.float64]

#: How far weights that are explained may be from the optimum of these rows.
SAME = 1e-4


class Slopes:
    """Sums over blocks of rows of what an :class:`Estimate` is made of.

    Parameters
    ----------
    pool
        With weights that may be an optimum.
    known
        All predictions, of any rows.
    clusters
        Which rows are one draw.
    """

    def __init__(self, pool: Pool, known: Predictions, clusters: Clusters) -> None:
        self.pool, self.known, m = pool, known, len(pool.models)
        self.reason = _no_estimate(pool, known)
        s = pool.inverse_temperature if RULES[pool.rule].joint_temperature else 1.0
        if self.reason is None and s <= 0:
            self.reason = "at infinite temperature the weights mean nothing"
        self.v: Array = s * pool.weights
        self._scores = Scores(m, clusters)
        self._sums: Sums | None = None
        self._none: Evidence | None = None  # of no rows
        self._total = 0.0
        self._group = np.zeros(m, dtype=np.int64)  # of models that were identical so far
        self._first: NDArray[np.int64] = np.zeros(1, dtype=np.int64)

    @property
    def read(self) -> bool:
        """Whether there is anything in the sums yet."""
        return self._total > 0

    def add(self, block: Case) -> None:
        """Add a block of rows."""
        if self.reason is not None:
            return
        evidence, rule = block.evidence, block.rule
        for part in rule.blocks(evidence):
            own = rule.evaluate(self.v, part)
            self._sums = own if self._sums is None else self._sums + own
        self._scores.add(row_gradients(rule, self.v, evidence), block.weight, block.cluster)
        self._total += evidence.total_weight
        self._none = evidence.take(np.arange(0))
        self._part(evidence)

    def _part(self, evidence: Evidence) -> None:
        """Tell models apart that differ in this block."""
        if len(self._first) == len(self._group):
            return
        now = identical_models(evidence)[1]
        pairs = self._group * len(now) + now
        _, self._first, group = np.unique(pairs, return_index=True, return_inverse=True)
        self._group = group.reshape(-1)

    @property
    def group(self) -> NDArray[np.int64]:
        """(M,) numbers of the groups of identical models."""
        return self._group if self.reason is None else np.arange(len(self._group))

    def estimate(
        self, temperature: Temperature, scale: float
    ) -> tuple[Estimate | None, str | None]:
        """Return the optimum with its rows' gradients, or why there is no such thing.

        ``scale`` of the penalty on these rows.
        """
        if self.reason is not None or self._sums is None:
            return None, self.reason
        first, rule = self._first, RULES[self.pool.rule]
        sizes = np.bincount(self._group).astype(np.float64)
        v = np.asarray(np.bincount(self._group, self.v), dtype=np.float64)
        mean = self._sums.per_row(self._total)
        _, slope, bend = Penalty(scale, self._total, sizes).evaluate(v)
        gradient = mean.gradient[first] + slope
        curvature = mean.curvature[np.ix_(first, first)] + bend
        assert self._none is not None
        feasible = Task(rule, self._none, temperature, scale).feasible(len(v))
        if not feasible.contains(v) or feasible.gap(v, gradient) > SAME * feasible.total:
            return None, "the weights are not the optimum of these rows' loss"
        scores, moments, n = self._scores.found()
        chosen = moments[np.ix_(first, first)]
        return Estimate(v, scores[:, first], gradient, curvature, feasible, chosen, n), None


def _no_estimate(pool: Pool, known: Predictions) -> str | None:
    """Say why weights cannot be an optimum with a normal distribution; None where they may."""
    if pool.weighting != "optimal" or pool.settings.resample:
        return "the weights are not the optimum of these rows' loss"
    if pool.settings.floor == "learned":
        return "the floors were learned together with the weights"
    if known.present is not None and pool.settings.missing != "prior":
        return "with missing outputs renormalised the loss is not convex in the weights"
    return None
