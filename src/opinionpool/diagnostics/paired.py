"""Means of differences and their standard errors, from sums over blocks of rows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

#: Sums are kept for this many clusters; more are dealt into as many random groups. A variance
#: from G random groups has a relative standard error of √(2/G), 1 % here (Wolter 2007,
#: *Introduction to Variance Estimation*, chapter 2: the random group method).
GROUPS = 1 << 14
#: And for at most this many numbers in all.
_NUMBERS = 1 << 22


@dataclass(frozen=True)
class Clusters:
    """Which rows are one draw.

    Attributes
    ----------
    count
        How many clusters there are, numbered 0, 1, ….
    by_row
        Whether every row is one: then errors are exact from moments alone.
    """

    count: int
    by_row: bool

    @classmethod
    def of(cls, codes: Codes) -> Clusters:
        """Count the clusters of all rows."""
        count = int(codes.max()) + 1
        return cls(count, count == len(codes))

    def groups(self, columns: int) -> int:
        """Return how many sums to keep of each of so many columns."""
        return min(self.count, GROUPS, max(256, _NUMBERS // max(1, columns)))

    def group(self, codes: Codes, groups: int) -> Codes:
        """Return the group of each row: its cluster, or where there are many a random one."""
        if self.count <= groups:
            return codes
        # The finaliser of splitmix64 (Steele, Lea & Flood 2014): a fixed pseudo-random deal.
        z = codes.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return ((z ^ (z >> np.uint64(31))) % np.uint64(groups)).astype(np.int64)


class Paired:
    """Weighted means of several columns of differences, with errors by cluster.

    Parameters
    ----------
    columns
        How many differences there are per row.
    clusters
        Which rows are one draw.
    """

    def __init__(self, columns: int, clusters: Clusters) -> None:
        self.clusters = clusters
        self.total, self.sum = np.zeros(columns), np.zeros(columns)
        self._squares = np.zeros((3, columns))  # Σ u², Σ u² d, Σ u² d²
        self._rows = np.zeros(columns, dtype=np.int64)
        self._groups = 0 if clusters.by_row else clusters.groups(2 * columns)
        self._by_group = np.zeros((2, self._groups, columns))  # Σ u, Σ u d

    def add(self, d: Array, u: Array, codes: Codes) -> None:
        """Add rows: differences (D, n), weights (n,) or (D, n), 0 where a row plays no part."""
        u = np.broadcast_to(u, d.shape)
        d = np.where(u > 0, d, 0.0)  # not 0·inf
        ud = u * d
        self.total += u.sum(axis=1)
        self.sum += ud.sum(axis=1)
        self._rows += (u > 0).sum(axis=1)
        if self.clusters.by_row:
            with np.errstate(invalid="ignore"):  # infinite ones have no error
                moments = [(u * u).sum(axis=1), (u * ud).sum(axis=1), (ud * ud).sum(axis=1)]
            self._squares += np.array(moments)
            return
        group = self.clusters.group(codes, self._groups)
        for own, rows in zip(self._by_group, (u, ud), strict=True):
            for column, values in enumerate(rows):
                own[:, column] += np.bincount(group, values, minlength=self._groups)

    def found(self, column: int = 0) -> tuple[float, float]:
        """Return a column's mean and its standard error.

        An infinite mean has none, and where both of a pair were infinite nothing is known: inf
        and inf.
        """
        mean = float(self.sum[column] / self.total[column])
        if not math.isfinite(mean):
            return math.inf, math.inf if math.isnan(mean) else math.nan
        if self.clusters.by_row:
            g = int(self._rows[column])
            uu, uud, uudd = (float(x) for x in self._squares[:, column])
            squares = max(uudd - 2 * mean * uud + mean * mean * uu, 0.0)
        else:
            u, ud = self._by_group[:, :, column]
            g = int((u > 0).sum())
            squares = float(((ud - mean * u) ** 2).sum())
        if g < 2:
            return mean, math.nan
        return mean, math.sqrt(g / (g - 1) * squares) / float(self.total[column])
