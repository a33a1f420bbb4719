"""Scores of large predictions of classes, whose probabilities are laid out class after class.

The numbers of :mod:`~opinionpool.diagnostics.scores` and of
:func:`~opinionpool.diagnostics.calibration.brier_split`, to rounding, by compiled kernels: bins of
equal mass are found without sorting every class.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..kernels.binning import split_classes
from ..kernels.threads import in_threads
from ..rules.evidence import Outcomes
from .calibration import N_BINS, PARTS, calibration_error, equal_mass_bins, one_against_rest
from .scores import losses

Array = NDArray[np.float64]

#: Cells that a thread turns, or goes over, at a time: they stay in its second-level cache.
_SPAN_CELLS = 1 << 16


class ClassColumns:
    """Probabilities of one predictor, filled in by blocks of rows, and their scores.

    Parameters
    ----------
    outcomes, weight
        What happened in its rows, and what they count.
    classes
        K.
    threads
        How many to use; compiled kernels have to be there.
    """

    def __init__(self, outcomes: Outcomes, weight: Array, classes: int, threads: int = 1) -> None:
        self.outcomes, self.weight, self.threads = outcomes, weight, threads
        self.p, self.nll = np.empty((classes, len(weight))), np.empty(len(weight))

    def put(self, first: int, log_p: Array) -> None:
        """Note the (n, K) log-probabilities of consecutive rows."""

        def work(a: int, b: int) -> None:
            here = slice(first + a, first + b)
            np.exp(log_p[a:b].T, out=self.p[:, here])
            self.nll[here] = losses(log_p[a:b], self.outcomes.take(here))

        in_threads(work, self._spans(len(log_p)), self.threads)

    def found(self, *, ordered: bool = False) -> dict[str, Any]:
        """Return the scores by name; ``ordered`` adds ``rps``."""
        total = self.weight.sum()
        sure, right = self._favourites()
        split = self._against_rest()
        found: dict[str, Any] = {
            "nll": float(self.weight @ self.nll / total),
            "brier": float(split[:, 5].sum()),
            "accuracy": float(self.weight @ right / total),
            "ece": self._calibration_error(sure, right),
        }
        if ordered:
            found["rps"] = self._ranked_probability_score()
        parts = split[:, :5].sum(axis=0)
        return {**found, "brier_split": dict(zip(PARTS, parts.tolist(), strict=True))}

    def _spans(self, n: int) -> list[tuple[int, int]]:
        size = max(1, _SPAN_CELLS // len(self.p))
        return [(first, min(n, first + size)) for first in range(0, n, size)]

    def _favourites(self) -> tuple[Array, Array]:
        """Return the probability of the class that each row names, and how far it is right."""
        from ..kernels.favourite import favourites

        n = len(self.weight)
        top, which = np.empty(n), np.empty(n, np.int64)

        def work(a: int, b: int) -> None:
            favourites(a, b, self.p, top, which)

        in_threads(work, self._spans(n), self.threads)
        if self.outcomes.soft is not None:
            return top, self.outcomes.soft[np.arange(n), which]
        return top, (which == self.outcomes.classes).astype(np.float64)

    def _against_rest(self) -> Array:
        """Return the parts of each class's Brier score, and that score: (K, 6)."""
        soft, shared = self.outcomes.soft, 1 if len(self.p) == 2 else None
        q = None if soft is None else np.ascontiguousarray(soft.T)
        found, left = split_classes(
            *(self.p, self.outcomes.classes, q, self.weight, N_BINS),
            shared=shared,
            threads=self.threads,
        )
        u = self.weight / self.weight.sum()
        for k in np.flatnonzero(left).tolist():
            o = self._happened(k)
            bin_of = equal_mass_bins(self.p[k if shared is None else shared], self.weight)
            found[k, :5] = one_against_rest(self.p[k], o, u, bin_of)
            found[k, 5] = u @ (self.p[k] - o) ** 2
        return found[:, :6]

    def _happened(self, k: int, rows: slice = slice(None)) -> Array:
        """Return how far class k happened in some rows."""
        if self.outcomes.soft is not None:
            return self.outcomes.soft[rows, k]
        assert self.outcomes.classes is not None
        return (self.outcomes.classes[rows] == k).astype(np.float64)

    def _calibration_error(self, sure: Array, right: Array) -> float:
        found, left = split_classes(sure[None], None, right[None], self.weight, N_BINS)
        return calibration_error(sure, right, self.weight) if left[0] else float(found[0, 6])

    def _ranked_probability_score(self) -> float:
        """Return what :func:`~opinionpool.diagnostics.scores.ranked_probability_score` does."""

        def work(a: int, b: int) -> float:
            here = slice(a, b)
            apart, squares = np.zeros(b - a), np.zeros(b - a)
            for k in range(len(self.p) - 1):
                apart += self.p[k, here] - self._happened(k, here)
                squares += apart**2
            return float(self.weight[here] @ squares)

        parts = in_threads(work, self._spans(len(self.weight)), self.threads)
        return sum(parts) / float(self.weight.sum())
