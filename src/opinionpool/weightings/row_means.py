"""Scores of a model that are means over rows: rows may be read a few at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..families.by_rows import of_each_row
from ..families.outcomes import Outcomes
from ..kernels import reference
from ..rules.evidence import Evidence

Array = NDArray[np.float64]

#: Smaller losses are rounding; models that are never wrong share the weight.
_LEAST = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class RowMean:
    """A score that is a mean over rows, or one over it.

    Attributes
    ----------
    of_rows
        What counts of each row, (n,), of log-probabilities (n, K) and what happened.
    inverse
        Whether it is a loss, and the score one over its mean.
    normalised
        Whether logits that differ from log-probabilities by a number per row will not do.
    """

    of_rows: Callable[[Array, Outcomes], Array]
    inverse: bool = True
    normalised: bool = True

    def __call__(self, log_p: Array, outcomes: Outcomes, u: Array) -> float:
        """Return the score of log-probabilities (n, K) with row weights."""
        return self.mean(self.of_rows(log_p, outcomes), u)

    def mean(self, of_rows: Array, u: Array) -> float:
        """Return the score where what counts of each row is known."""
        mean = float(u @ of_rows / u.sum())
        return 1 / max(mean, _LEAST) if self.inverse else mean

    def of_rows_read(self, evidence: Evidence) -> Array:
        """Return what counts of every model's rows, (M, N), read by blocks; anything if absent."""

        def counted(z: NDArray[Any], rows: slice) -> Array:
            with np.errstate(invalid="ignore"):  # rows that are absent
                if self.normalised:
                    z = z.astype(np.float64)
                    z -= reference.softmax(z).log_z[:, None]
                return self.of_rows(z, evidence.outcomes.take(rows))

        return of_each_row(evidence.parameters, counted, evidence.threads)


def _right(log_p: Array, outcomes: Outcomes) -> Array:
    guess = log_p.argmax(axis=1)
    if outcomes.classes is not None:
        return np.asarray(guess == outcomes.classes, dtype=np.float64)
    q = outcomes.probabilities(log_p.shape[1])
    return np.asarray(q[np.arange(len(q)), guess])


def _squares(log_p: Array, outcomes: Outcomes) -> Array:
    return np.asarray(((np.exp(log_p) - outcomes.probabilities(log_p.shape[1])) ** 2).sum(axis=1))


def _surprise(log_p: Array, outcomes: Outcomes) -> Array:
    return -outcomes.expectation(log_p)


ACCURACY = RowMean(_right, inverse=False, normalised=False)
INVERSE_BRIER = RowMean(_squares)
INVERSE_LOG_LOSS = RowMean(_surprise)
