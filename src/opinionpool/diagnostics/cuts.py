"""Cuts: every way in which a threshold can divide rows, in one pass over sorted probabilities."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .decisions import Aim, Counts

Array = NDArray[np.float64]

#: Values that differ by less, relative to the largest, are equal but for rounding.
_TIE = 1e-12


@dataclass(frozen=True)
class Chosen:
    """A threshold, the range ``low < t ≤ high`` of those that do as well, and their value."""

    threshold: float
    low: float
    high: float
    value: float


class Cuts:
    """The m + 1 ways to divide rows by ``P ≥ t`` when P takes m distinct values, lowest t first.

    Cut i decides positive for all but the i lowest values. Equal probabilities are never
    divided.

    Parameters
    ----------
    p
        (N,) probabilities, in the precision in which they will be compared.
    """

    def __init__(self, p: NDArray[Any]) -> None:
        self.values, group = np.unique(p, return_inverse=True)
        self.group = group.reshape(-1)

    def counts(self, positive: Array, negative: Array) -> Counts:
        """Return the counts of every cut, (m + 1,) each, from rows' two weights, (N,) each."""
        m = len(self.values)
        below = [
            np.concatenate([[0.0], np.cumsum(np.bincount(self.group, u, minlength=m))])
            for u in (positive, negative)
        ]
        fn, tn = below
        return Counts(tp=fn[-1] - fn, fp=tn[-1] - tn, fn=fn, tn=tn)

    def best(self, aim: Aim, positive: Array, negative: Array) -> Chosen:
        """Choose the middle of the longest range of best thresholds; of equally long the lowest.

        The middle is farthest from where a decision about these rows would change.
        """
        value = aim.value(self.counts(positive, negative))
        goodness = value if aim.larger_is_better else -value
        slack = _TIE * np.abs(goodness).max()
        is_best = np.concatenate([[False], goodness >= goodness.max() - slack, [False]])
        turns = np.flatnonzero(np.diff(is_best.astype(np.int8)))
        first, last = turns[::2], turns[1::2] - 1  # runs of best cuts, both ends included
        one = self.values.dtype.type(1)
        lows = np.concatenate([[0 * one], self.values])
        highs = np.concatenate([self.values, [one]])
        length = highs[last] - lows[first]
        # The lowest of those that are equally long but for rounding.
        longest = int((length >= length.max() - 4 * np.finfo(length.dtype).eps).argmax())
        i, j = first[longest], last[longest]
        return Chosen(
            _between(lows[i], highs[j], never=bool(i == len(self.values))),
            float(lows[i]),
            float(highs[j]),
            float(value[i]),
        )


def _between(low: Any, high: Any, *, never: bool) -> float:
    """Return the middle of ``low < t ≤ high``, a number of their own precision.

    Comparison with numbers of that precision then divides them as it did here.
    """
    if never and low >= 1:
        return math.inf  # what is certain is not to be decided positive either
    middle = low + (high - low) / 2
    return float(middle) if middle > low else float(high)
