"""What pooling gains on real predictions: mean test loss by cross-validation, per data set.

    python benchmarks/gains.py DATA_FOLDER [--thorough] [--only NAME] [--json FILE]

DATA_FOLDER holds archives with ``probs`` (models, rows, classes), ``labels`` and, where the rows
are forecasts in time, ``week``. Every figure is out of fold: five folds by row, or forward in
time, everything fitted on the training part only.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path

import numpy as np

import opinionpool as op

SHOWN = (
    "best single model",
    "uniform linear, T = 1",
    "uniform linear, T fitted",
    "uniform log, T fitted",
    "greedy linear, T = 1",
    "optimal linear, T = 1",
    "optimal log, T fitted",
)


def main() -> None:
    """Print a Markdown table, one row per data set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--thorough", action="store_true", help="all candidates there are")
    parser.add_argument("--only", default="", help="sets whose name holds this")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results = {}
    print("| data | rows × classes × models | " + " | ".join(SHOWN) + " | recommended |")
    print("|---" * (len(SHOWN) + 3) + "|")
    for path in sorted(options.folder.glob("*.npz")):
        found = compared(path, options.thorough) if options.only in path.stem else None
        if found is None:
            continue
        results[path.stem] = found
        losses = found["losses"]
        best = min(losses.values())
        cells = [
            f"**{losses[name]:.4f}**" if losses[name] == best else f"{losses[name]:.4f}"
            for name in SHOWN
        ]
        size = " × ".join(map(str, found["shape"]))
        print(f"| {path.stem} | {size} | " + " | ".join(cells) + f" | {found['recommended']} |")
    if options.json:
        options.json.write_text(json.dumps(results, indent=2))


def compared(path: Path, thorough: bool = False) -> dict[str, object] | None:
    """Cross-validate one archive; None where it holds no labelled (M, N, K) predictions."""
    with np.load(path, allow_pickle=False) as archive:
        if "labels" not in archive or archive["probs"].ndim != 3:
            return None
        m, n, k = archive["probs"].shape
        # Weeks 43 … 52 of a season come before 1 … 18 of the next year.
        week = archive["week"].astype(int) if "week" in archive else None
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", op.OpinionPoolWarning)
        moments = None if week is None else np.where(week < 40, week + 52, week)
        c = op.compare(path, time=moments, renormalise=True, time_limit=None, thorough=thorough)
    return {
        "shape": (n, k, m),
        "losses": {row["candidate"]: row["loss"] for row in c.table},
        "errors": {row["candidate"]: row["standard_error"] for row in c.table},
        "recommended": c.recommended,
        "seconds": time.perf_counter() - began,
        "notes": c.notes,
    }


if __name__ == "__main__":
    main()
