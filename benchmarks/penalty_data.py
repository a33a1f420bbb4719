"""The sets of ``penalties.py`` and how rows are drawn from them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from opinionpool.rules.evidence import Evidence, Outcomes

Array = NDArray[np.float64]
Rows = NDArray[np.int64]

SIZES = (50, 100, 200, 400, 0)  # 0 is half of the rows
WEEKS = {50: 1, 100: 2, 200: 5, 400: 9, 0: 14}  # of 44 rows, for the same sizes
APART = 3  # weeks between a run and its test rows: four horizons share their truths
FLOOR = 1e-6


@dataclass(frozen=True)
class Data:
    """One set, and how rows are drawn from it: ``rows``, ``weeks`` or ``runs`` of weeks."""

    name: str
    log_p: Array
    y: Rows
    week: Rows | None = None
    draw: str = "rows"

    def evidence(self, rows: Rows) -> Evidence:
        """Return some rows as the rules want them."""
        return Evidence(self.log_p[:, rows], Outcomes(classes=self.y[rows]), np.ones(len(rows)))

    def splits(self, size: int, subsets: int) -> Iterator[tuple[Rows, Rows, np.random.Generator]]:
        """Yield fitting rows, test rows and a generator for whatever else is random."""
        n = len(self.y)
        for number in range(subsets):
            rng = np.random.default_rng([20260101, size, number])
            if self.draw == "rows":
                order, k = rng.permutation(n), size or n // 2
                yield np.sort(order[:k]), np.sort(order[k:]), rng
                continue
            assert self.week is not None
            last, k = self.week.max() + 1, WEEKS[size]
            if self.draw == "runs":
                first = rng.integers(last - k + 1)
                weeks = np.arange(first, first + k)
                near = (self.week >= first - APART) & (self.week < first + k + APART)
            else:
                weeks = rng.permutation(last)[:k]
                near = np.isin(self.week, weeks)
            yield np.flatnonzero(np.isin(self.week, weeks)), np.flatnonzero(~near), rng


def loaded(path: Path) -> Iterator[Data]:
    """Yield an archive once per way of drawing rows; nothing without labelled predictions."""
    with np.load(path, allow_pickle=False) as archive:
        if "labels" not in archive or archive["probs"].ndim != 3:
            return
        p = np.maximum(archive["probs"].astype(np.float64), 0.0)
        y = archive["labels"].astype(np.int64)
        week = archive["week"].astype(int) if "week" in archive else None
    p /= p.sum(axis=-1, keepdims=True)
    if (p == 0).any():  # as floor="auto"
        p = np.maximum(p, FLOOR)
        p /= p.sum(axis=-1, keepdims=True)
    log_p = np.log(p)
    if week is None:
        yield Data(path.stem, log_p, y)
        return
    # Weeks 43 … 52 of a season come before 1 … 18 of the next year.
    rank = np.unique(np.where(week < 40, week + 52, week), return_inverse=True)[1]
    for draw in ("rows", "weeks", "runs"):
        yield Data(path.stem, log_p, y, rank, draw)
