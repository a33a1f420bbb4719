"""What is to be explained: a pool and the labelled rows to explain it on, or a block of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..compare import paired_difference
from ..losses import model_losses
from ..pool import Pool
from ..pooling import Pooled, evidence_of
from ..predictions import Predictions, Targets
from ..rules import RULES
from ..rules.base import AnyRule
from ..rules.evidence import Evidence

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """A pool on labelled rows.

    Attributes
    ----------
    pool
        What is explained.
    known
        All predictions, in the pool's order of models, zeros raised as the pool does.
    targets
        Labels of some of their rows.
    cluster
        (n,) which labelled rows are one draw, for standard errors.
    z
        Normal quantile of the intervals.
    draws, seed
        Of bootstraps.
    numbers
        (n,) what the labelled rows are called, None for their numbers in ``targets``.
    threads
        How many compiled kernels may use.
    """

    pool: Pool
    known: Predictions
    targets: Targets
    cluster: NDArray[np.int64]
    z: float
    draws: int
    seed: int
    numbers: NDArray[np.int64] | None = None
    threads: int = 1

    @property
    def rule(self) -> AnyRule:
        """The pool's rule."""
        return RULES[self.pool.rule]

    @property
    def names(self) -> tuple[str, ...]:
        """The models' names."""
        return self.pool.models

    @property
    def weight(self) -> Array:
        """Row weights, (n,)."""
        return self.targets.weight

    @cached_property
    def rows(self) -> Predictions:
        """The labelled rows alone."""
        rows = self.targets.rows
        every = np.array_equal(rows, np.arange(self.known.n_rows))
        return self.known if every else self.known.take(rows)

    @cached_property
    def evidence(self) -> Evidence:
        """The labelled rows as the rules want them: floored, and tempered, as members are."""
        return evidence_of(self.known, self.targets, self.pool.policy, threads=self.threads)

    @cached_property
    def pooled(self) -> Pooled:
        """What the pool says of the labelled rows."""
        return self.pool.pool_known(self.rows, threads=self.threads)

    @cached_property
    def losses(self) -> Array:
        """The pool's loss in each row, (n,)."""
        return losses_of(self.pooled, self.targets)

    @cached_property
    def own_losses(self) -> Array:
        """Each model's loss in each row, (M, n): 0 where it is absent."""
        return -self.evidence.log_likelihood()

    @cached_property
    def split(self) -> tuple[Array, Array]:
        """The members' weighted error and their ambiguity in each row, (n,) each."""
        return self.rule.ambiguity(self.pool.weights, self.evidence)

    @cached_property
    def divergences(self) -> Array:
        """Mean symmetric divergence J of each pair, over the rows that both answered: (M, M)."""
        e = self.evidence
        with np.errstate(invalid="ignore"):
            return e.family.mean_divergences(e.parameters, e.weight, e.present)

    @property
    def answered(self) -> NDArray[np.bool_]:
        """Which model answered which labelled row, (M, n)."""
        present = self.rows.present
        return np.ones((len(self.names), len(self.weight)), bool) if present is None else present

    @cached_property
    def model_losses(self) -> Array:
        """Each model's mean loss on the rows it answered, (M,)."""
        return model_losses(self.evidence)

    @cached_property
    def served(self) -> NDArray[np.bool_]:
        """Which rows a model with weight answered."""
        present = self.evidence.present
        if present is None:
            return np.ones(len(self.weight), dtype=bool)
        return np.asarray(present[self.pool.weights > 0].any(axis=0))

    def looked_up(self) -> None:
        """Make what several threads are going to look at: a property may be made only once."""
        _ = self.rows, self.losses, self.own_losses, self.served

    def mean(self, rows: Array) -> float:
        """Return the mean of losses (n,) over the weighted rows."""
        return float(self.weight @ rows / self.weight.sum())

    def gain(self, other: Array, own: Array) -> dict[str, Any]:
        """Return how much lower ``own`` losses are than others', with error and interval."""
        return interval(*paired_difference(other, own, self.weight, self.cluster), self.z)


def interval(gain: float, error: float, z: float) -> dict[str, Any]:
    """Return a gain with its standard error and interval."""
    return {
        "gain": gain,
        "standard_error": error,
        "interval": [gain - z * error, gain + z * error],
    }


def losses_of(pooled: Pooled, targets: Targets) -> Array:
    """Return the loss of pooled distributions in each row, (n,)."""
    outcomes = targets.outcomes
    if pooled.distribution is not None:
        return -pooled.distribution.log_density(outcomes.values)
    return -pooled.family.log_likelihood(pooled.parameters, outcomes)
