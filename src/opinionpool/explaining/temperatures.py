"""Temperatures that would suit each predictor best, by one Newton step per reading of the rows.

From the optimum on a sample, whose error is of the order of one over the root of its size, two
steps on all rows leave none that matters: Newton's error is squared each time.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..rules import LOG
from .betas import stepped
from .calibrated import alone, best_beta
from .case import Case
from .sums import OfOne, Sums

Array = NDArray[np.float64]


class Temperatures:
    """One inverse temperature for every model, and where it has one the pool.

    Parameters
    ----------
    sample
        Some of the rows.
    shares
        (M + 1,) which share of the rows of each model, by weight, the sample has; the pool is
        last. NaN for models that answered nothing.
    """

    def __init__(self, sample: Case, shares: Array) -> None:
        self._able = ~np.isnan(shares)
        self._able[-1] = sample.rule.has_temperature(sample.known.family)
        self._beta = np.ones(len(shares))
        for i, own, here in _predictors(sample, self._able):
            if here.any() and own[here].size:
                # The penalty per row is that of all rows.
                self._beta[i] = best_beta(alone(sample, own[here], here), float(shares[i]))[0]
        self._start()

    def _start(self) -> None:
        self._sums = np.zeros((4, len(self._beta)))  # weight, loss, slope, curvature

    @property
    def parts(self) -> tuple[Sums, ...]:
        """The predictors, one by one: no two of them share a sum."""
        return tuple(OfOne(self, i) for i in range(len(self._beta)))

    def add_one(self, i: int, block: Case) -> None:
        """Add a block of rows to the sums of a model, or the last of them, the pool."""
        only = np.arange(len(self._able)) == i
        for _, own, here in _predictors(block, self._able & only):
            if not here.any():
                continue
            evidence = alone(block, own if here.all() else own[here], here)
            v = self._beta[i : i + 1]
            for part in LOG.blocks(evidence):
                found = LOG.evaluate(v, part)
                sums = (found.value, found.gradient[0], found.curvature[0, 0])
                self._sums[1:, i] += sums
            self._sums[0, i] += evidence.total_weight

    def step(self) -> None:
        """Take a Newton step to where the next reading is to be."""
        self._beta, _ = self._stepped()
        self._start()

    def _stepped(self) -> tuple[Array, Array]:
        """Return β after a step, and the loss there by the quadratic model."""
        beta, losses = self._beta.copy(), np.full(len(self._beta), np.nan)
        for i in np.flatnonzero(self._able & (self._sums[0] > 0)):
            n, value, *bends = self._sums[:, i].tolist()
            scaled = np.array([bends[0] * beta[i], bends[1] * beta[i] ** 2])
            beta[i], less = stepped(float(beta[i]), scaled, 1.0, n)
            losses[i] = value / n - less
        return beta, losses

    def found(self) -> list[dict[str, float] | None]:
        """Return temperatures and the losses with them, M + 1."""
        beta, losses = self._stepped()
        return [
            {"temperature": 1 / float(b) if b > 0 else float("inf"), "nll": float(loss)}
            if able and not np.isnan(loss)
            else None
            for b, loss, able in zip(beta, losses, self._able, strict=True)
        ]


def _predictors(case: Case, able: NDArray[np.bool_]) -> list[tuple[int, Array, NDArray[np.bool_]]]:
    """Return number, parameters (n, P) and presence of those that have a temperature."""
    answered = case.answered
    found = [(i, own, answered[i]) for i, own in enumerate(case.evidence.parameters) if able[i]]
    if able[-1]:
        found.append((len(able) - 1, case.pooled.parameters, np.ones(len(case.weight), bool)))
    return found
