"""The rows worth looking at: where the pool is most wrong, where the models disagree most."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def highest(values: Array, most: int) -> NDArray[np.int64]:
    """Return the rows of the largest values, the largest first; of equal ones the first row."""
    able = np.flatnonzero(~np.isnan(values))
    if len(able) > most:  # no sorting of what cannot be among them
        edge = np.partition(values[able], -most)[-most]
        able = able[values[able] >= edge]
    return able[np.argsort(-values[able], kind="stable")[:most]]


class Highest:
    """What is to be said of the rows of the largest values, over blocks of rows.

    Parameters
    ----------
    most
        How many are kept.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._kept: list[tuple[float, Any]] = []

    def add(self, values: Array, say: Callable[[int], Any]) -> None:
        """Add rows that come after all others; ``say`` is asked of those that are kept only."""
        able = highest(values, self.most)
        if len(self._kept) == self.most:
            able = able[values[able] > self._kept[-1][0]]
        self._kept += [(float(values[n]), say(int(n))) for n in able]
        # Stable: of equal values the earlier row stays first.
        self._kept = sorted(self._kept, key=lambda kept: -kept[0])[: self.most]

    def found(self) -> list[Any]:
        """Return what was said, of the largest value first."""
        return [said for _, said in self._kept]
