"""Losses of many pools on all rows, in one reading, and what they gain over each other."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..diagnostics.many_pools import losses as losses_of_many
from ..diagnostics.paired import Clusters, Paired
from ..diagnostics.pareto import Fitted, Models
from ..errors import OpinionPoolError
from ..pool import Pool
from .at_once import at_once
from .case import Case, interval, losses_of
from .corrections import Corrections

Array = NDArray[np.float64]


class Revised:
    """Pools that were fitted on a sample, with their losses on all rows.

    Parameters
    ----------
    pools
        By their models.
    reasons
        Why there are no others.
    pairs
        Which two are to be compared: the first with the second.
    explained
        The pool of all models that is explained.
    clusters, z
        Which rows are one draw; normal quantile of the intervals.
    same
        Whether these are the rows of that pool's fit.
    last
        Corrections on the same reading, whose gains are known.
    """

    def __init__(
        self,
        pools: dict[Models, Pool],
        reasons: dict[Models, str],
        pairs: list[tuple[Models, Models]],
        explained: Pool,
        clusters: Clusters,
        z: float,
        *,
        same: bool,
        last: Corrections,
    ) -> None:
        self.pools, self.reasons, self.z = pools, dict(reasons), z
        self._explained = explained
        self._sets = list(pools)
        number = {models: c for c, models in enumerate(self._sets)}
        known = [(a, b) for a, b in pairs if a in number and b in number]
        self._pairs = {pair: i for i, pair in enumerate(dict.fromkeys(known))}
        self._ends = np.array(
            [(number[a], number[b]) for a, b in self._pairs], dtype=np.int64
        ).reshape(-1, 2)
        self._gains = Paired(len(self._ends), clusters)
        self._sums, self._total = np.zeros(len(pools)), 0.0
        self._at_once = at_once(pools, explained, same=same)
        self._last = last

    @property
    def everyone(self) -> Models:
        """All models."""
        return tuple(range(len(self._explained.models)))

    def add(self, block: Case) -> None:
        """Add a block of rows."""
        if not self._sets:
            return
        u = block.weight
        if self._at_once is None:
            losses = np.stack([self._losses(block, models) for models in self._sets])
        else:
            losses = losses_of_many(block.rule, self._at_once, block.evidence).rows
        self._sums += np.where(u > 0, losses, 0.0) @ u
        self._total += float(u.sum())
        if len(self._ends):
            with np.errstate(invalid="ignore"):
                self._gains.add(
                    losses[self._ends[:, 0]] - losses[self._ends[:, 1]], u, block.cluster
                )

    def some(self, models: Models) -> Fitted | None:
        """Return the pool of some models; None where there is none, with a reason."""
        if models not in self.pools:
            return None
        loss = float(self._sums[self._sets.index(models)] / self._total)
        if not np.isfinite(loss):
            self.reasons.setdefault(models, "its loss on all rows is infinite")
            return None
        pool, less = self._moved[models]
        return Fitted(models, pool.weights, pool.temperature, None, loss - less)

    def done(self) -> list[Fitted]:
        """Return all pools."""
        return [f for models in self._sets if (f := self.some(models)) is not None]

    def gain(self, other: Fitted, own: Fitted) -> dict[str, Any]:
        """Return how much lower the losses of ``own`` are, with error and interval."""
        gain, error = self._gains.found(self._pairs[other.models, own.models])
        gain += self._moved[own.models][1] - self._moved[other.models][1]
        return interval(gain, error, self.z)

    @cached_property
    def _moved(self) -> dict[Models, tuple[Pool, float]]:
        """The pools after their last step, and how much lower their loss is for it."""
        return self._last.applied()

    def _losses(self, block: Case, models: Models) -> Array:
        pool = self.pools[models]
        known = block.known.models(list(models), pool.models)
        try:
            return losses_of(pool.pool_known(known), block.targets)
        except OpinionPoolError as error:
            self.reasons[models] = str(error)
            return np.full(len(block.weight), np.inf)


def with_prior(pools: dict[Models, Pool], prior: Array | None) -> dict[Models, Pool]:
    """Return the pools with the prior of all rows instead of a sample's."""
    if prior is None:
        return pools
    return {models: replace(pool, prior=prior) for models, pool in pools.items()}
