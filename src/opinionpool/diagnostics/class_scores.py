"""Scores of class probabilities from sums over blocks of rows: nothing is kept of a row."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..rules.evidence import Outcomes
from .scores import losses, ranked_probability_score
from .sketch import ClassCurves, Curve, digits_for

Array = NDArray[np.float64]

#: Bytes that the cells of all classes of one predictor may take.
CLASS_BYTES = 1 << 24


class ClassScores:
    """What :func:`~opinionpool.diagnostics.scores.scores` says, of rows that come in blocks.

    NLL, Brier score, accuracy and RPS are exact. The calibration error and the parts of the
    Brier score (which sum to it) are in bins whose edges are cells of
    :mod:`~opinionpool.diagnostics.sketch`.

    Parameters
    ----------
    classes
        K.
    ordered
        Whether to add ``rps``.
    digits, class_digits
        Of the cells of the top class, and of every class against the rest; None for as many as
        fit into a few megabytes.
    large
        Whether the rows are so many that compiled kernels are worth their loading, and there.
    """

    def __init__(
        self,
        classes: int,
        *,
        ordered: bool = False,
        digits: int | None = None,
        class_digits: int | None = None,
        large: bool = False,
    ) -> None:
        self.classes, self.ordered, self.large = classes, ordered, large
        self.top = Curve(digits or digits_for(1, 5, CLASS_BYTES))
        self.each = ClassCurves(classes, class_digits or digits_for(classes, 3, CLASS_BYTES))
        self._sums = np.zeros(5)  # weight, NLL, Brier, right, RPS
        self.rows = 0

    @property
    def weight(self) -> float:
        """Total weight of the rows."""
        return float(self._sums[0])

    def add(self, log_p: Array, outcomes: Outcomes, weight: Array) -> None:
        """Add (n, K) log-probabilities, what happened, and row weights."""
        if len(weight):
            self._add(log_p, np.exp(log_p), outcomes, weight)

    def _add(self, log_p: Array, p: Array, outcomes: Outcomes, weight: Array) -> Array:
        """Add rows; return the largest probability of each."""
        top, rows, u = p.argmax(axis=1), np.arange(len(p)), float(weight.sum())
        sure, right = p[rows, top], outcomes.of(top)
        nll = np.where(weight > 0, losses(log_p, outcomes), 0.0)
        rps = ranked_probability_score(log_p, outcomes, weight) if self.ordered else 0.0
        if self.large:
            brier = self.each.add_quickly(p, outcomes, weight)
        else:
            q = outcomes.probabilities(self.classes)
            brier = float(weight @ ((p - q) ** 2).sum(axis=1))
            self.each.add(p, q, weight)
        self._sums += (u, float(weight @ nll), brier, float(weight @ right), u * rps)
        self.top.add(sure, right, weight)
        self.rows += len(weight)
        return np.asarray(sure)

    def found(self) -> dict[str, Any]:
        """Return the scores by name."""
        u, nll, brier, right, rps = self._sums.tolist()
        found: dict[str, Any] = {
            "nll": nll / u,
            "brier": brier / u,
            "accuracy": right / u,
            "ece": self.top.calibration_error(),
        }
        if self.ordered:
            found["rps"] = rps / u
        return {**found, "brier_split": self.each.brier_split()}
