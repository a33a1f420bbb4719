"""Forecasts forward in time, for ``penalties.py``: ``compare`` with a penalty by rows per week.

Fitted on the weeks before, tested on the next ones, everything through the public door.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

import opinionpool as op

SHOWN = (
    *("uniform log, T fitted", "optimal log, T = 1", "optimal log, T fitted"),
    *("optimal linear, T = 1", "optimal linear, T fitted"),
)


def print_forward(folder: Path) -> list[dict[str, object]]:
    """Print and return the test losses of the candidates that have a penalty."""
    print("| set | penalty | " + " | ".join(SHOWN) + " |")
    print("|---" * (len(SHOWN) + 2) + "|")
    records: list[dict[str, object]] = []
    for path in sorted(folder.glob("*.npz")):
        with np.load(path, allow_pickle=False) as archive:
            if "week" not in archive or "labels" not in archive:
                continue
            week = archive["week"].astype(int)
        # Weeks 43 … 52 of a season come before 1 … 18 of the next year.
        moment = np.where(week < 40, week + 52, week)
        for penalty in ("auto", 10.0, len(moment) / len(np.unique(moment))):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", op.OpinionPoolWarning)
                c = op.compare(
                    path, time=moment, renormalise=True, time_limit=None, penalty=penalty
                )
            losses = {row["candidate"]: row["loss"] for row in c.table}
            records.append({"set": path.stem, "penalty": penalty, "losses": losses})
            cells = [f"{losses[name]:.4f}" for name in SHOWN]
            print(f"| {path.stem} | {penalty} | " + " | ".join(cells) + " |")
    return records
