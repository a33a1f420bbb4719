"""Scores of large predictions of classes, whose probabilities are laid out class after class.

The numbers of :mod:`~opinionpool.diagnostics.scores` and of
:func:`~opinionpool.diagnostics.calibration.brier_split`, to rounding, by compiled kernels: bins of
equal mass are found without sorting every class.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..kernels.arrays import plain_layout
from ..kernels.binning import split_classes
from ..kernels.threads import in_threads
from ..rules.evidence import Outcomes
from .calibration import N_BINS, PARTS, calibration_error, equal_mass_bins, one_against_rest
from .scores import losses

Array = NDArray[np.float64]

#: Cells that a thread turns, or goes over, at a time: they stay near it, and are enough that
#: threads seldom wait for each other to call the next function.
_SPAN_CELLS = 1 << 18


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
    room
        Memory for at least as many probabilities, to be used again for the next predictor.
    """

    def __init__(
        self,
        outcomes: Outcomes,
        weight: Array,
        classes: int,
        threads: int = 1,
        room: Array | None = None,
    ) -> None:
        n = len(weight)
        self.outcomes, self.weight, self.threads = outcomes, weight, threads
        room = np.empty(classes * n) if room is None else room
        self.p = room[: classes * n].reshape(classes, n)
        self.nll, self._top, self._which = np.empty(n), np.empty(n), np.empty(n, np.int64)

    def put(self, first: int, log_p: Array) -> None:
        """Note the (n, K) log-probabilities of consecutive rows, by several threads."""

        def work(a: int, b: int) -> None:
            self.put_few(first + a, log_p[a:b])

        in_threads(work, self._spans(len(log_p)), self.threads)

    def put_few(self, first: int, log_p: Array) -> None:
        """Note those of so few rows that they are in a core's cache; other threads may as well."""
        from ..kernels.class_by_class import lay_out

        here = slice(first, first + len(log_p))
        self.nll[here] = losses(log_p, self.outcomes.take(here))
        p = np.exp(plain_layout(log_p, np.float64))
        lay_out(p, first, self.p, self._top, self._which)

    def found(self, *, ordered: bool = False) -> dict[str, Any]:
        """Return the scores by name; ``ordered`` adds ``rps``."""
        total = self.weight.sum()
        right, split = self._right(), self._against_rest()
        found: dict[str, Any] = {
            "nll": float(self.weight @ self.nll / total),
            "brier": float(split[:, 5].sum()),
            "accuracy": float(self.weight @ right / total),
            "ece": self._calibration_error(self._top, right),
        }
        if ordered:
            found["rps"] = self._ranked_probability_score()
        parts = split[:, :5].sum(axis=0)
        return {**found, "brier_split": dict(zip(PARTS, parts.tolist(), strict=True))}

    def _spans(self, n: int) -> list[tuple[int, int]]:
        size = max(1, _SPAN_CELLS // len(self.p))
        return [(first, min(n, first + size)) for first in range(0, n, size)]

    def _right(self) -> Array:
        """Return how far the class that each row names is right."""
        if self.outcomes.soft is not None:
            return np.asarray(self.outcomes.soft[np.arange(len(self._which)), self._which])
        return np.asarray(self._which == self.outcomes.classes, dtype=np.float64)

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
            return np.asarray(self.outcomes.soft[rows, k])
        assert self.outcomes.classes is not None
        return np.asarray(self.outcomes.classes[rows] == k, dtype=np.float64)

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
