"""Reliability from a fixed number of cells: what bins of equal mass need of any number of rows.

Probabilities are counted in cells whose width is a small share of the distance to 0 or to 1,
whichever is nearer (the cells of Masson, Rim & Lee 2019, *DDSketch*, PVLDB 12, on both ends):
confident models crowd at 1, and rare classes at 0. Bins are unions of cells, so their sums are
exact and only their edges are not those of equal mass.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..families.outcomes import Outcomes
from ..kernels.arrays import plain_layout
from .calibration import N_BINS, PARTS
from .reliability import wilson

Array = NDArray[np.float64]
Cells = NDArray[np.int64]

#: Below 2^-OCTAVES, 6e-8, everything is one cell.
OCTAVES = 24
#: Binary digits of the cells' width, at most: cells are 1/512 of the distance to 0 or 1 wide.
FINEST, COARSEST = 9, 3


def digits_for(curves: int, sums: int, budget: int) -> int:
    """Return how fine the cells can be for so many curves of so many sums in ``budget`` bytes."""
    for digits in range(FINEST, COARSEST, -1):
        if 8 * sums * curves * n_cells(digits) <= budget:
            return digits
    return COARSEST


def n_cells(digits: int) -> int:
    """Return how many cells of relative width ``2^-digits`` there are."""
    return 2 * (((OCTAVES - 1) << digits) + 1)


def cell_of(p: Array, digits: int) -> Cells:
    """Return the cell of each probability, in their order: exponent and first digits of p, 1 − p.

    Examples
    --------
    >>> import numpy as np
    >>> cell_of(np.array([0.0, 0.25, 0.5, 1.0]), 3)
    array([  0, 177, 185, 369])
    """
    upper = p >= 0.5
    small = np.where(upper, 1.0 - p, p)
    key = small.view(np.int64) >> (52 - digits)
    key -= (1023 - OCTAVES) << digits  # 2^-OCTAVES is 0
    # 1/2 itself, reached from above only, has the upper half's first cell.
    key += 1
    np.clip(key, 0, ((OCTAVES - 1) << digits), out=key)
    return np.where(upper, n_cells(digits) - 1 - key, key)


def equal_mass_groups(mass: Array, bins: int = N_BINS) -> Cells:
    """Return the bin of each cell, for cells (..., S) of some mass: a cell is in one bin.

    The bin is that of the cell's first row, as for
    :func:`~opinionpool.diagnostics.calibration.equal_mass_bins`.
    """
    above = np.cumsum(mass, axis=-1)
    before = above - mass
    total = np.maximum(above[..., -1:], np.finfo(np.float64).tiny)
    return np.minimum((before * bins / total).astype(np.int64), bins - 1)


class Curve:
    """Sums over cells of one probability per row.

    Parameters
    ----------
    digits
        Of the cells.
    """

    def __init__(self, digits: int) -> None:
        self.digits = digits
        self._sums = np.zeros((5, n_cells(digits)))  # u, u², rows, u p, u o

    def add(self, p: Array, happened: Array, weight: Array) -> None:
        """Add rows: probabilities, what happened (0 to 1), weights, (n,) each."""
        cell, size = cell_of(p, self.digits), self._sums.shape[1]
        columns = (weight, weight**2, None, weight * p, weight * happened)
        for own, column in zip(self._sums, columns, strict=True):
            own += np.bincount(cell, column, minlength=size)

    def _binned(self, bins: int) -> Array:
        bin_of = equal_mass_groups(self._sums[0], bins)
        return np.stack([np.bincount(bin_of, own, minlength=bins) for own in self._sums])

    def points(self, z: float, bins: int = N_BINS) -> list[dict[str, Any]]:
        """Return what :func:`~opinionpool.diagnostics.reliability.reliability_curve` does."""
        found, total = self._binned(bins), self._sums[0].sum()
        points = []
        for u, squares, rows, said, seen in found.T:
            if u > 0:
                low, high = wilson(float(seen / u), float(u * u / squares), z)
                points.append(
                    {
                        "predicted": float(said / u),
                        "observed": float(seen / u),
                        "low": low,
                        "high": high,
                        "mass": float(u / total),
                        "rows": int(rows),
                    }
                )
        return points

    def calibration_error(self, bins: int = N_BINS) -> float:
        """Return the expected calibration error over bins of about equal mass."""
        u, _, _, said, seen = self._binned(bins)
        return float(np.abs(said - seen).sum() / u.sum())


class ClassCurves:
    """Sums over cells of the probabilities of K classes, each against the rest.

    Parameters
    ----------
    classes, digits
        K, and of the cells. Two classes share the cells of the second.
    """

    def __init__(self, classes: int, digits: int) -> None:
        self.digits, self.size = digits, n_cells(digits)
        self.classes = classes
        # u, u p, u o of a cell are side by side: one access to memory for all of them.
        self._by_cell = np.zeros((classes, self.size, 3))
        self._sums = np.moveaxis(self._by_cell, -1, 0)
        self._whole = np.zeros((3, classes))  # u p², u p o, u o²

    def add(self, p: Array, q: Array, weight: Array) -> None:
        """Add rows: probabilities and what happened, (n, K) each, and weights (n,)."""
        k, size = self.classes, self.size
        cell = cell_of(p, self.digits)
        if k == 2:
            cell[:, 0] = cell[:, 1]
        cell += size * np.arange(k)
        flat, u = cell.ravel(), np.broadcast_to(weight[:, None], p.shape)
        for own, column in zip(self._sums, (u, u * p, u * q), strict=True):
            own += np.bincount(flat, column.ravel(), minlength=k * size).reshape(k, size)
        self._whole += np.stack([weight @ (p * p), weight @ (p * q), weight @ (q * q)])

    def add_quickly(self, p: Array, outcomes: Outcomes, weight: Array) -> float:
        """Do as :meth:`add` by a compiled kernel; return the sum of the rows' Brier scores."""
        from ..kernels.celled import add_to_cells

        hard, soft = outcomes.classes, outcomes.soft
        happened = (
            plain_layout(np.zeros(0) if hard is None else hard, np.int64),
            plain_layout(np.zeros((0, 0)) if soft is None else soft, np.float64),
        )
        cells = self.digits, ((1023 - OCTAVES) << self.digits) - 1, self.size - 1
        u = plain_layout(weight, np.float64)
        return float(
            add_to_cells(
                plain_layout(p, np.float64), *happened, u, *cells, self._by_cell, self._whole
            )
        )

    def brier_split(self, bins: int = N_BINS) -> dict[str, float]:
        """Split the Brier score over bins of about equal mass; the parts sum to it exactly."""
        parts = np.zeros(len(PARTS))
        for sums, whole in zip(self._sums.swapaxes(0, 1), self._whole.T, strict=True):
            bin_of = equal_mass_groups(sums[0], bins)
            binned = np.zeros((3, bins))
            for row, own in zip(binned, sums, strict=True):
                row += np.bincount(bin_of, own, minlength=bins)
            parts += _one_against_rest(binned, *whole.tolist())
        return dict(zip(PARTS, parts.tolist(), strict=True))

    def auc(self) -> float:
        """Return the mean of the classes' AUCs, each against the rest, ties half: a cell is one."""
        which = [1] if self.classes == 2 else range(self.classes)
        found = [_auc(self._sums[2, k], self._sums[0, k] - self._sums[2, k]) for k in which]
        known = [a for a in found if np.isfinite(a)]
        return float(np.mean(known)) if known else float("nan")


def _one_against_rest(binned: Array, pp: float, po: float, oo: float) -> Array:
    """Return the five parts from ``u``, ``u p``, ``u o`` by bin, and sums over everything."""
    u, up, uo = binned
    total = float(u.sum())
    full = np.where(u > 0, u, 1.0)
    p, o = up / full, uo / full
    o_mean = float(uo.sum()) / total
    return (
        np.array(
            [
                u @ (p - o) ** 2,
                u @ (o - o_mean) ** 2,
                max(oo - total * o_mean**2, 0.0),
                max(pp - float(u @ p**2), 0.0),
                2 * (po - float(u @ (p * o))),
            ]
        )
        / total
    )


def _auc(positive: Array, negative: Array) -> float:
    if positive.sum() <= 0 or negative.sum() <= 0:
        return float("nan")
    below = np.cumsum(negative) - negative
    return float(positive @ (below + 0.5 * negative) / (positive.sum() * negative.sum()))
